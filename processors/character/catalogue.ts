import type { RewardableCategory } from '../waste-categories.ts';
import { REWARDABLE_CATEGORIES } from '../waste-categories.ts';

export interface CatalogueCharacter {
  /** A UUID; never changes, never reused. */
  readonly id: string;
  readonly name: string;
  /** Whose scan earns it; null for a form that is only reached by evolution. */
  readonly category: RewardableCategory | null;
  readonly description: string;
  /** Evolutions that lead to it: 0 for what a scan earns. */
  readonly level: number;
  /** The id of the form before; null for what a scan earns. */
  readonly evolvesFrom: string | null;
}

type Form = Pick<CatalogueCharacter, 'id' | 'name' | 'description'>;

/** Which character a category earns. */
const BY_CATEGORY: { readonly [C in RewardableCategory]: Form } = {
  'pet-bottle': {
    id: '06c96f3e-3b4c-577c-92f2-de80dadbc662',
    name: '페트리 (Petri)',
    description: 'Squeezes itself flat when it is happy.',
  },
  'plastic-container': {
    id: 'c244dfce-49b7-598b-8fbb-e7a7510360f5',
    name: '플라콘 (Placon)',
    description: 'Carries everything except leftovers.',
  },
  'plastic-film': {
    id: 'f6f9a658-64b7-5032-ab6c-ecfd98cf009b',
    name: '비닐리 (Vinily)',
    description: 'Light as air and always in the way.',
  },
  styrofoam: { id: 'd9bc3eba-5d5d-5a0a-9b90-fe84ce48d638', name: '폼폼 (Pompom)', description: 'Squeaks when it is nervous.' },
  paper: { id: '44375b11-208c-534d-8355-7fb5b63202fc', name: '페이피 (Papy)', description: 'Remembers every word ever written on it.' },
  cardboard: {
    id: 'c92e422f-d099-54b0-bb08-11e7d11f6ecb',
    name: '박스로 (Boxro)',
    description: 'Folds down to nothing and stands up again.',
  },
  'paper-cup': { id: 'bc0a224f-6c7d-5e82-a643-7145054c7f06', name: '컵키 (Cupky)', description: 'Drinks nothing stronger than water.' },
  carton: { id: 'b826baf7-9563-547a-a3f5-6ead07970f08', name: '팩토 (Pakto)', description: 'Rinsed, dried and proud of it.' },
  'glass-bottle': { id: 'd2021432-6df1-5d56-adec-376d13fa9461', name: '글라시 (Glassy)', description: 'Has been reborn forty times.' },
  'aluminium-can': { id: '8ce39c9f-5383-5bca-a292-39ae217c5767', name: '알루 (Alu)', description: 'Thin-skinned, but never gives up.' },
  'steel-can': { id: 'ef6f0d62-ea0a-5d5b-91f3-beae8d45ab54', name: '캔디 (Candy)', description: 'Follows every magnet.' },
  'scrap-metal': { id: '523cf9ab-188c-5c35-a2a4-f8728000305e', name: '메탈로 (Metallo)', description: 'Rusty outside, gold inside.' },
  battery: { id: 'd7ee8004-c4fd-5234-8ede-c895733cf748', name: '배터링 (Batterin)', description: 'Must never meet general waste.' },
  'light-bulb': { id: '31a8a5bc-96e2-52a4-9083-6e1866fb809a', name: '벌비 (Bulby)', description: 'Handle with care: full of ideas.' },
  clothing: { id: 'b3e1f2e8-3ab9-5d60-b95f-52de3904c32b', name: '코튼 (Cotton)', description: 'Wants to be worn once more.' },
};

/** What the character of a category evolves to. */
const EVOLVED_BY_CATEGORY: { readonly [C in RewardableCategory]: Form } = {
  'pet-bottle': { id: '04ea44ed-375b-5e2d-b75d-89d3b6d95266', name: '킹페트리 (King Petri)', description: 'Holds back a whole river.' },
  'plastic-container': {
    id: '55b48493-473b-5a24-bf1c-c3ac1d3c53fe',
    name: '그랑플라콘 (Grand Placon)',
    description: 'Has a lid for every occasion.',
  },
  'plastic-film': {
    id: '8c34b8d8-617c-589d-b729-b533da21b36c',
    name: '스카이비닐리 (Sky Vinily)',
    description: 'Learned to sail on the wind.',
  },
  styrofoam: {
    id: '9cb9743c-f141-53ad-9556-b11f5796c1b9',
    name: '아이스폼폼 (Ice Pompom)',
    description: 'Keeps its cool in every summer.',
  },
  paper: { id: 'de14026d-6a50-537a-82a1-a9536ec2bb57', name: '페이피북 (Papybook)', description: 'Bound itself into a story.' },
  cardboard: {
    id: 'b4b760aa-8b4f-5b40-a34f-256de6029f16',
    name: '박스로봇 (Boxrobot)',
    description: 'Unfolds into something taller than you.',
  },
  'paper-cup': { id: '12b33a3c-1f09-5884-9f2a-5eea5be34afe', name: '컵키킹 (Cupky King)', description: 'A cup, and the trophy for it.' },
  carton: { id: 'ee6f9329-dbaa-53db-88ae-3ebff5b6ce9a', name: '팩토리 (Paktory)', description: 'Makes new things of everything it held.' },
  'glass-bottle': {
    id: '95c913a5-f571-5535-9872-54c1ee82ae33',
    name: '크리스글라시 (Chris Glassy)',
    description: 'Sings when the light falls through.',
  },
  'aluminium-can': { id: '5d11a085-0754-558b-ad7b-6e1787cacf58', name: '알루윙 (Aluwing)', description: 'Light enough to fly.' },
  'steel-can': { id: '68c01192-20bd-5549-90a7-006d8cd9a581', name: '캔디자이언트 (Candy Giant)', description: 'Magnets follow it now.' },
  'scrap-metal': { id: 'a412feb7-362f-5e00-8c9b-d5dfb7a74a0c', name: '골드메탈로 (Gold Metallo)', description: 'Gold outside, too.' },
  battery: {
    id: '76d2b81b-7c34-5061-a1ac-eae84a112b07',
    name: '썬더배터링 (Thunder Batterin)',
    description: 'Lights a street for a night.',
  },
  'light-bulb': {
    id: '37e22b20-d00d-5136-a12f-464db31c0720',
    name: '스타벌비 (Star Bulby)',
    description: 'Had the brightest idea of all.',
  },
  clothing: { id: '73f91bbc-c525-5c40-8581-bdee9308176c', name: '실크코튼 (Silk Cotton)', description: 'Worn by three generations.' },
};

/** What scans earn, and behind it what that evolves to. */
export const CHARACTERS: readonly CatalogueCharacter[] = [
  ...REWARDABLE_CATEGORIES.map((category) => ({ ...BY_CATEGORY[category], category, level: 0, evolvesFrom: null })),
  ...REWARDABLE_CATEGORIES.map((category) => ({
    ...EVOLVED_BY_CATEGORY[category],
    category: null,
    level: 1,
    evolvesFrom: BY_CATEGORY[category].id,
  })),
];

const byCategory = new Map<string | null, CatalogueCharacter>(
  CHARACTERS.filter(({ level }) => level === 0).map((character) => [character.category, character]),
);
const byId = new Map<string, CatalogueCharacter>(CHARACTERS.map((character) => [character.id, character]));
const byFormBefore = new Map<string | null, CatalogueCharacter>(
  CHARACTERS.filter(({ level }) => level > 0).map((character) => [character.evolvesFrom, character]),
);

export function characterOfCategory(category: string): CatalogueCharacter | undefined {
  return byCategory.get(category);
}

export function characterById(id: string): CatalogueCharacter | undefined {
  return byId.get(id);
}

/** The next form; undefined for a last one. */
export function evolutionOf(id: string): CatalogueCharacter | undefined {
  return byFormBefore.get(id);
}

/** The rows of the state table, as the deployment brings them along. */
export const CHARACTER_SEED = {
  table: 'characters',
  key: ['character_id'],
  rows: CHARACTERS.map(({ id, name, category, description, level, evolvesFrom }) => ({
    character_id: id,
    name,
    category,
    description,
    level,
    evolves_from: evolvesFrom,
  })),
};
