/**
 * What the demo sends, and what must be there at the end: a pure function of a seed. The expectation is worked out from
 * the rules of the product on its own, and shares no code with the processors that it judges.
 */
export interface Registration {
  readonly index: number;
  readonly userId: string;
  readonly category: string;
  readonly imageUrl: string;
  readonly idempotencyKey: string;
  /** Sent a second time with the same key and body: must get the first answer again and change nothing. */
  readonly isRepeated: boolean;
  /** Sent a second time with the same key and another body: must be refused with 422. */
  readonly isContradicted: boolean;
}

export interface ExpectedScan {
  readonly status: 'completed' | 'failed';
  readonly category: string | null;
  readonly rewardEligible: boolean;
  readonly rewardStatus: 'granted' | 'none' | 'failed';
  readonly failureReason: string | null;
  /** The character that the scan granted. */
  readonly characterId: string | null;
}

export interface DemoCatalogue {
  /** Category → character, for the categories that are rewarded. */
  readonly characterOf: ReadonlyMap<string, { readonly id: string; readonly name: string }>;
  readonly unrewardedCategories: readonly string[];
  readonly charactersPerUserMax: number;
}

export interface DemoPlan {
  readonly users: readonly string[];
  /** In the order of sending within each user. */
  readonly byUser: ReadonlyMap<string, readonly Registration[]>;
  readonly registrations: readonly Registration[];
}

export interface DemoExpectation {
  /** By registration index. */
  readonly scans: readonly ExpectedScan[];
  /** Character ids in the order of acquiring, by user. */
  readonly characters: ReadonlyMap<string, readonly string[]>;
}

/** What a user's images show: most users are ordinary, some see only what is not rewarded, some collect beyond the limit. */
type UserKind = 'ordinary' | 'unrewarded' | 'collector';

export function planDemo(options: {
  readonly run: string;
  readonly seed: number;
  readonly count: number;
  readonly catalogue: DemoCatalogue;
}): DemoPlan {
  const random = mulberry32(options.seed);
  const perUser = 20;
  const users = Array.from(
    { length: Math.max(1, Math.ceil(options.count / perUser)) },
    (_, index) => `demo-${options.run}-${String(index).padStart(5, '0')}`,
  );
  const registrations = Array.from({ length: options.count }, (_, index) => {
    const userIndex = index % users.length;
    const turn = Math.floor(index / users.length);
    const category = categoryOf(kindOf(userIndex), userIndex + turn, random, options.catalogue);
    return registration(index, users[userIndex] ?? '', category, options.run, random());
  });
  const byUser = new Map<string, Registration[]>(users.map((userId) => [userId, []]));
  for (const sent of registrations) byUser.get(sent.userId)?.push(sent);
  return { users, byUser, registrations };
}

export function expectationOf(plan: DemoPlan, catalogue: DemoCatalogue): DemoExpectation {
  const scans: ExpectedScan[] = [];
  const characters = new Map<string, string[]>(plan.users.map((userId) => [userId, []]));
  for (const sent of plan.registrations) {
    const owned = characters.get(sent.userId) ?? [];
    const scan = expectedScan(sent.category, owned, catalogue);
    scans[sent.index] = scan;
    if (scan.characterId !== null) owned.push(scan.characterId);
  }
  return { scans, characters };
}

function expectedScan(category: string, owned: readonly string[], catalogue: DemoCatalogue): ExpectedScan {
  const base = { status: 'completed', category, rewardEligible: true, failureReason: null, characterId: null } as const;
  if (category === UNREADABLE)
    return { status: 'failed', category: null, rewardEligible: false, rewardStatus: 'none', failureReason: null, characterId: null };
  const character = catalogue.characterOf.get(category);
  if (character === undefined) return { ...base, rewardEligible: false, rewardStatus: 'none' };
  if (owned.includes(character.id)) return { ...base, rewardStatus: 'failed', failureReason: 'already_owned' };
  if (owned.length >= catalogue.charactersPerUserMax) return { ...base, rewardStatus: 'failed', failureReason: 'max_characters_reached' };
  return { ...base, rewardStatus: 'granted', characterId: character.id };
}

/** The category of images that the local classifier cannot read. */
export const UNREADABLE = 'unreadable';

function kindOf(userIndex: number): UserKind {
  if (userIndex % 10 === 9) return 'unrewarded';
  return userIndex % 10 >= 7 ? 'collector' : 'ordinary';
}

function categoryOf(kind: UserKind, step: number, random: () => number, catalogue: DemoCatalogue): string {
  const rewarded = [...catalogue.characterOf.keys()];
  const pick = (from: readonly string[]): string => from[Math.floor(random() * from.length)] ?? UNREADABLE;
  const draw = random();
  if (draw < 0.02) return UNREADABLE;
  if (kind === 'unrewarded' || (kind === 'ordinary' && draw < 0.4)) return pick(catalogue.unrewardedCategories);
  // A collector sees another rewarded category each time, so that the limit is reached after as many images as it allows.
  return kind === 'collector' ? (rewarded[step % rewarded.length] ?? UNREADABLE) : pick(rewarded);
}

function registration(index: number, userId: string, category: string, run: string, draw: number): Registration {
  return {
    index,
    userId,
    category,
    imageUrl: `https://cdn.example/classify-as/${category}/${run}-${index}.jpg`,
    idempotencyKey: `${run}-${index}`,
    isRepeated: draw < 0.03,
    isContradicted: draw >= 0.03 && draw < 0.035,
  };
}

/** A small seeded generator: the same seed makes the same demo. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
