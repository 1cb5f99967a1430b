import { describe, expect, it } from 'vitest';
import { characterAcquireFailed, characterAcquired, characterEvolved, characterLost, scanCompleted } from '../../schemas/catalogue.ts';
import { newEvent } from '../../schemas/typed-events.ts';
import { arrived } from '../../test/support/arrived.ts';
import { OCCURRED_AT, given } from '../../test/support/given.ts';
import { REWARDABLE_CATEGORIES } from '../waste-categories.ts';
import { userCharactersAggregate } from './aggregate.ts';
import { CHARACTERS, characterOfCategory, evolutionOf } from './catalogue.ts';
import { MAX_CHARACTERS_PER_USER, grantScanReward } from './grant-scan-reward.ts';

const scan_id = 'b6a1f7f6-6d43-5c39-9c16-0f2d1c7a0001';
const scanOf = (category: string, reward_eligible?: boolean) =>
  arrived(scanCompleted, { scan_id, user_id: 'u1', category, ...(reward_eligible === undefined ? {} : { reward_eligible }) });
const granted = (category: string, source_id: string | null = scan_id) => {
  const { id, name } = characterOfCategory(category)!;
  return newEvent(characterAcquired, { user_id: 'u1', character_id: id, character_name: name, source: 'scan', source_id });
};
const refused = (reason: string) => newEvent(characterAcquireFailed, { user_id: 'u1', scan_id, reason });
const owned = (category: string) => ({
  user_id: 'u1',
  character_id: characterOfCategory(category)!.id,
  character_name: characterOfCategory(category)!.name,
  source: 'scan',
  source_id: scan_id,
  acquired_at: OCCURRED_AT,
  released_at: null,
  status: 'owned',
});
const full = REWARDABLE_CATEGORIES.slice(0, MAX_CHARACTERS_PER_USER).map((category) => granted(category));
const oneMore = REWARDABLE_CATEGORIES[MAX_CHARACTERS_PER_USER];

describe('a completed scan', () => {
  it.each(REWARDABLE_CATEGORIES)('of %s earns its character', (category) => {
    given(userCharactersAggregate, 'u1')
      .when(grantScanReward, scanOf(category, true))
      .then({ events: [granted(category)], tables: { character_ownerships: [owned(category)] } });
  });

  it('is answered once per scan', () => {
    expect(grantScanReward.idempotencyKey(scanOf('paper', true))).toBe(`char:scan:${scan_id}`);
  });

  it('that is not eligible is recorded and nothing is emitted', () => {
    for (const eligible of [false, undefined]) {
      given(userCharactersAggregate, 'u1')
        .when(grantScanReward, scanOf('paper', eligible))
        .then({ result: { outcome: 'not_eligible' } });
    }
  });

  it('does not grant a character twice', () => {
    given(userCharactersAggregate, 'u1', [granted('paper')])
      .when(grantScanReward, scanOf('paper', true))
      .then({ events: [refused('already_owned')], tables: { character_ownerships: [owned('paper')] } });
  });

  it('fills the collection up to its limit and not beyond', () => {
    given(userCharactersAggregate, 'u1', full.slice(1))
      .when(grantScanReward, scanOf(oneMore, true))
      .then({ events: [granted(oneMore)] });
    given(userCharactersAggregate, 'u1', full)
      .when(grantScanReward, scanOf(oneMore, true))
      .then({ events: [refused('max_characters_reached')], result: { outcome: 'max_characters_reached' } });
  });

  it('says already owned rather than limit reached when both are true', () => {
    given(userCharactersAggregate, 'u1', full)
      .when(grantScanReward, scanOf(REWARDABLE_CATEGORIES[0], true))
      .then({ events: [refused('already_owned')] });
  });

  it('is refused when an eligible category has no character here', () => {
    given(userCharactersAggregate, 'u1')
      .when(grantScanReward, scanOf('a-category-of-tomorrow', true))
      .then({ events: [refused('no_character_for_category')] });
  });

  it('finds room again after a character was lost, and may earn that one again', () => {
    const { id } = characterOfCategory('pet-bottle')!;
    const past = [...full, newEvent(characterLost, { user_id: 'u1', character_id: id, reason: 'traded' })];
    given(userCharactersAggregate, 'u1', past)
      .when(grantScanReward, scanOf(oneMore, true))
      .then({ events: [granted(oneMore)] });
    const rows = REWARDABLE_CATEGORIES.slice(0, MAX_CHARACTERS_PER_USER).map(owned);
    given(userCharactersAggregate, 'u1', past)
      .when(grantScanReward, scanOf('pet-bottle', true))
      .then({ events: [granted('pet-bottle')], tables: { character_ownerships: rows } });
  });

  it('counts an evolved character as the one it became', () => {
    const from = characterOfCategory('paper')!;
    const to = characterOfCategory('cardboard')!;
    const evolution = { user_id: 'u1', from_character_id: from.id, to_character_id: to.id, evolution_level: 1 };
    const past = [granted('paper'), newEvent(characterEvolved, evolution)];
    const rows = [
      { ...owned('paper'), released_at: OCCURRED_AT, status: 'lost' },
      { ...owned('cardboard'), source: 'event', source_id: from.id },
    ];
    given(userCharactersAggregate, 'u1', past)
      .when(grantScanReward, scanOf('cardboard', true))
      .then({ events: [refused('already_owned')], tables: { character_ownerships: rows } });
    given(userCharactersAggregate, 'u1', [...past, refused('already_owned')])
      .when(grantScanReward, scanOf('paper', true))
      .then({ events: [granted('paper')] });
  });
});

describe('the catalogue', () => {
  const earned = CHARACTERS.filter(({ level }) => level === 0);

  it('has one character for each of the fifteen categories that earn one, no id or name twice', () => {
    expect(REWARDABLE_CATEGORIES).toHaveLength(15);
    expect(earned.map(({ category }) => category).sort()).toEqual([...REWARDABLE_CATEGORIES].sort());
    expect(new Set(CHARACTERS.map(({ id }) => id)).size).toBe(CHARACTERS.length);
    expect(new Set(CHARACTERS.map(({ name }) => name)).size).toBe(CHARACTERS.length);
  });

  it('lets each of them evolve once, into a form that no scan earns', () => {
    const next = earned.map(({ id }) => evolutionOf(id)!);
    expect(new Set(next).size).toBe(15);
    expect(CHARACTERS).toHaveLength(30);
    for (const form of next) {
      expect(form).toMatchObject({ category: null, level: 1 });
      expect(evolutionOf(form.id)).toBeUndefined();
    }
  });
});
