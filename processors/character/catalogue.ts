import type { RewardableCategory } from '../waste-categories.ts';

export interface CatalogueCharacter {
  /** A UUID; never changes, never reused. */
  readonly id: string;
  readonly name: string;
  readonly category: RewardableCategory;
  readonly description: string;
}

/** Which character a category earns. */
const BY_CATEGORY: { readonly [C in RewardableCategory]: Omit<CatalogueCharacter, 'category'> } = {
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

export const CHARACTERS: readonly CatalogueCharacter[] = Object.entries(BY_CATEGORY).map(([category, character]) => ({
  category: category as RewardableCategory,
  ...character,
}));

const byCategory = new Map<string, CatalogueCharacter>(CHARACTERS.map((character) => [character.category, character]));
const byId = new Map<string, CatalogueCharacter>(CHARACTERS.map((character) => [character.id, character]));

export function characterOfCategory(category: string): CatalogueCharacter | undefined {
  return byCategory.get(category);
}

export function characterById(id: string): CatalogueCharacter | undefined {
  return byId.get(id);
}

/** The rows of the state table, as the deployment brings them along. */
export const CHARACTER_SEED = {
  table: 'characters',
  key: ['character_id'],
  rows: CHARACTERS.map(({ id, name, category, description }) => ({ character_id: id, name, category, description })),
};
