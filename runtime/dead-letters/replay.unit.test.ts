import { describe, expect, it } from 'vitest';
import type { Clock } from '../../core/clock.ts';
import { bank } from '../../test/support/bank-domain.ts';
import { consumedRecord } from '../../test/support/consumed-record.ts';
import { LETTER_TOPIC, letterOf } from '../../test/support/letters.ts';
import type { Session } from '../postgres/database.ts';
import type { FoundLetter } from './found-letter.ts';
import type { GroupQueue } from './letter-queues.ts';
import { formatPlace } from './letter.ts';
import type { LetterState } from './letter-states.ts';
import type { ReplayOptions } from './replay.ts';
import { replayLetters } from './replay.ts';
import { refusalOf } from './select-letters.ts';

const queueOf = (group: string): GroupQueue => ({
  ...{ topic: LETTER_TOPIC, group, source: 'events.happened', overtakingTopics: new Set<string>() },
  reader: { kind: 'processor', domain: bank },
});
const queue = queueOf('processor.scan');

/** Letters with their states and a place where records wait, in memory; what happens is written down. */
function underTest(count: number, options: Partial<ReplayOptions> = {}) {
  const letters = Array.from({ length: count }, (_, at) => letterOf({ at, record: consumedRecord({ at: at + 100 }) }));
  const states = new Map<string, LetterState>();
  const waiting = new Set<bigint>();
  const audited: string[] = [];
  const slept: number[] = [];
  let nowMs = 0;
  const clock: Clock = {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    sleep: async (ms) => {
      slept.push(ms);
      nowMs += ms;
    },
  };
  const stopping = new AbortController();
  const chosen = letters.map(({ place, origin }) => ({ place, topicId: 't', origin: origin!, queue }));
  const given: ReplayOptions = {
    letters: {
      fetch: async (addresses) =>
        addresses.flatMap(({ place }): FoundLetter[] => {
          const letter = letters.find((each) => each.place.offset === place.offset);
          if (letter === undefined) return [];
          return [{ letter, topicId: 't', group: queue.group, queue, state: states.get(formatPlace(place)) ?? 'open' }];
        }),
    },
    states: {
      decide: async (_group, work) => work({} as Session),
      of: async (found) => {
        const places = found.map(({ letter }) => formatPlace(letter.place));
        return new Map(places.flatMap((place) => (states.has(place) ? [[place, states.get(place)!] as const] : [])));
      },
      settle: async (_session, settled, { state, actor }) => {
        for (const { letter } of settled) {
          states.set(formatPlace(letter.place), state);
          audited.push(`${actor} ${letter.place.offset}`);
        }
      },
    },
    giveBack: async (_queue, given_) => {
      for (const { origin } of given_) waiting.add(origin!.offset);
    },
    clock,
    ...{ actor: 'olga', force: false, signal: stopping.signal },
    ...options,
  };
  return { given, chosen, letters, states, waiting, audited, slept, stopping };
}

describe('a replay', () => {
  it('gives each letter back once, in order, and audits each', async () => {
    const { given, chosen, waiting, audited } = underTest(3);
    expect(await replayLetters(chosen, given)).toEqual({ replayed: 3, passedOver: 0, interrupted: false });
    expect([...waiting]).toEqual([100n, 101n, 102n]);
    expect(audited).toEqual(['olga 0', 'olga 1', 'olga 2']);
    expect(await replayLetters(chosen, given)).toEqual({ replayed: 0, passedOver: 3, interrupted: false });
    expect(audited).toHaveLength(3);
  });

  it('passes over what somebody discarded meanwhile, unless it is forced', async () => {
    const { given, chosen, letters, states } = underTest(2);
    states.set(formatPlace(letters[0]!.place), 'discarded');
    expect(await replayLetters(chosen, given)).toMatchObject({ replayed: 1, passedOver: 1 });
    expect(await replayLetters(chosen, { ...given, force: true })).toMatchObject({ replayed: 2 });
  });

  it('reads letters before it takes the lock, and passes over what somebody handled while it read', async () => {
    const { given, chosen, letters, states, waiting } = underTest(2);
    let locked = false;
    const fetch: ReplayOptions['letters']['fetch'] = async (addresses) => {
      expect(locked).toBe(false);
      const found = await given.letters.fetch(addresses);
      states.set(formatPlace(letters[0]!.place), 'discarded');
      return found;
    };
    const decide: ReplayOptions['states']['decide'] = async (group, work) => {
      locked = true;
      return given.states.decide(group, work);
    };
    const report = await replayLetters(chosen, { ...given, letters: { fetch }, states: { ...given.states, decide } });
    expect(report).toMatchObject({ replayed: 1, passedOver: 1 });
    expect([...waiting]).toEqual([101n]);
  });

  it('that died between the records and the marks goes on with the same command, and gives nothing twice', async () => {
    const under = underTest(150);
    let dies = true;
    const giveBack: ReplayOptions['giveBack'] = async (of, letters) => {
      await under.given.giveBack(of, letters);
      if (under.waiting.size === 150 && dies) throw new Error('killed');
    };
    await expect(replayLetters(under.chosen, { ...under.given, giveBack })).rejects.toThrow('killed');
    expect(under.audited).toHaveLength(100);
    dies = false;
    expect(await replayLetters(under.chosen, { ...under.given, giveBack })).toMatchObject({ replayed: 50, passedOver: 100 });
    expect(under.waiting.size).toBe(150);
    expect(under.audited).toHaveLength(150);
  });

  it('that is interrupted finishes what it has begun, and leaves the rest as it is', async () => {
    const { given, chosen, states, stopping } = underTest(250);
    const report = await replayLetters(chosen, { ...given, onReplayed: () => stopping.abort() });
    expect(report).toEqual({ replayed: 100, passedOver: 0, interrupted: true });
    expect(states.size).toBe(100);
  });

  it('keeps to its rate', async () => {
    const { given, chosen, slept } = underTest(50);
    await replayLetters(chosen, { ...given, ratePerSecond: 10 });
    expect(slept).toEqual([1_000, 1_000, 1_000, 1_000]);
  });
});

describe('what is not replayed', () => {
  const record = consumedRecord({ at: 1 });
  const limits = { rememberedFromMs: record.timestampMs + 1, acceptDoubleEffects: false };
  const letter = letterOf({ at: 1, record });

  it('is what is older than the inbox remembers, unless a double effect is accepted, or a projection reads it', () => {
    expect(refusalOf({ letter, queue }, limits)).toBe('older-than-inbox');
    expect(refusalOf({ letter, queue }, { ...limits, rememberedFromMs: record.timestampMs })).toBeUndefined();
    expect(refusalOf({ letter, queue }, { ...limits, acceptDoubleEffects: true })).toBeUndefined();
    const projection = { ...queue, reader: { kind: 'projection' } as never };
    expect(refusalOf({ letter, queue: projection }, limits)).toBeUndefined();
  });

  it('is what a capture could not publish, and what does not belong to the group', () => {
    const capture = { topic: 'capture.bank.dlt', group: 'capture.bank', reader: { kind: 'capture', domain: bank } } as const;
    expect(refusalOf({ letter, queue: capture }, limits)).toBe('capture');
    const young = { ...limits, rememberedFromMs: -Infinity };
    expect(refusalOf({ letter, queue: queueOf('processor.other') }, young)).toBe('foreign');
    expect(refusalOf({ letter: { ...letter, origin: undefined }, queue }, young)).toBe('foreign');
    expect(refusalOf({ letter, queue: { ...queue, source: 'events.other' } }, young)).toBe('foreign');
  });
});
