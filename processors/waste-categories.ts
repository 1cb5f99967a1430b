/** What the classifier may see. The scan domain decides by it whether a reward is due, the character domain which one. */
export const REWARDABLE_CATEGORIES = [
  'pet-bottle',
  'plastic-container',
  'plastic-film',
  'styrofoam',
  'paper',
  'cardboard',
  'paper-cup',
  'carton',
  'glass-bottle',
  'aluminium-can',
  'steel-can',
  'scrap-metal',
  'battery',
  'light-bulb',
  'clothing',
] as const;
export type RewardableCategory = (typeof REWARDABLE_CATEGORIES)[number];

/** Seen, but nothing to recycle: no reward. A category that is in neither list counts like these. */
export const UNREWARDED_CATEGORIES = ['general-waste', 'food-waste', 'bulky-waste', 'hazardous-waste', 'not-waste', 'unknown'] as const;

const rewardable: ReadonlySet<string> = new Set(REWARDABLE_CATEGORIES);

export function isRewardable(category: string): category is RewardableCategory {
  return rewardable.has(category);
}
