import { describe, expect, it } from 'vitest';
import { definePipeline } from '../../core/define-pipeline.ts';
import { ClassifiedError } from '../../core/errors.ts';
import { Names } from '../../core/names.ts';
import { character } from '../../processors/character/character.ts';
import { image } from '../../processors/image/image.ts';
import { my } from '../../processors/my/my.ts';
import { scan } from '../../processors/scan/scan.ts';
import { CATALOGUE } from '../../schemas/catalogue.ts';
import { consumedRecord, eventHeaders } from '../../test/support/consumed-record.ts';
import { LETTER_TOPIC, letterRecord } from '../../test/support/letters.ts';
import { createInMemoryBroker } from '../kafka/in-memory-broker.ts';
import type { Database, Session } from '../postgres/database.ts';
import { findLetters } from './set-aside.ts';
import type { TraceSources } from './trace-flows.ts';
import { newestLast, traceFlows } from './trace-flows.ts';

const EVENT = '0e000000-0000-4000-8000-000000000001';
const TRACE = '0af7651916cd43dd8448eb211c80319c';
const NAMES = new Names('');
const queue = { topic: LETTER_TOPIC, group: 'processor.scan', reader: { kind: 'capture', domain: scan } } as const;

/** A broker whose dead-letter topic holds so many letters, each of a key of its own, and of a stream of that name or another one. */
async function letters(count: number, streamId?: string) {
  const broker = createInMemoryBroker();
  await broker.admin().ensureTopics([{ topic: LETTER_TOPIC, partitions: 1, retentionMs: 1e12, replicationFactor: 1 }]);
  const producer = broker.producer({ clientId: 'test' });
  for (let at = 0; at < count; at += 1) {
    const record = consumedRecord({ at, key: `u${at}` });
    const headersOf = streamId === undefined ? record.headers : eventHeaders({ id: idOf(at), type: 'Happened', streamId });
    const { key, value, headers, timestampMs } = letterRecord({ at, record: { ...record, headers: headersOf } });
    await producer.send([{ topic: LETTER_TOPIC, key, value, headers, timestampMs }]);
  }
  return broker;
}
const idOf = (at: number) => `00000000-0000-4000-8000-${at.toString(16).padStart(12, '0')}`;

describe('the dead letters of a flow', () => {
  it('are those that say the id in their key or a naming header, or are of one of its events, without their values', async () => {
    const sources = { reader: (await letters(5)).logReader(), queues: [queue] };
    const found = async (id: string, eventIds: readonly string[] = []) => {
      const { letters: all } = await findLetters(sources, { id, eventIds }, undefined, { records: 100 });
      expect(all.every(({ letter }) => letter.value === null)).toBe(true);
      return all.map(({ letter }) => Number(letter.place.offset));
    };
    expect(await found('u3')).toEqual([3]);
    expect(await found('somebody', [idOf(1), idOf(4)])).toEqual([1, 4]);
    expect(await found(idOf(2))).toEqual([2]);
    expect(await found(TRACE)).toEqual([0, 1, 2, 3, 4]);
    // The key alone says whose it is where a stream is another thing than its user.
    const reader = (await letters(1, 'i1')).logReader();
    const ofKey = await findLetters({ reader, queues: [queue] }, { id: 'u0', eventIds: [] }, undefined, { records: 100 });
    expect(ofKey.letters).toHaveLength(1);
    // `aggregatetype` names no flow, event or aggregate.
    expect(await found('test')).toEqual([]);
  });

  it('are looked for from a time on, and within a budget', async () => {
    const reader = (await letters(5)).logReader();
    const at3 = letterRecord({ at: 3 }).timestampMs;
    const since = await findLetters({ reader, queues: [queue] }, { id: TRACE, eventIds: [] }, at3, { records: 100 });
    expect([since.letters.length, since.complete]).toEqual([2, true]);
    const cut = await findLetters({ reader, queues: [queue] }, { id: 'u0', eventIds: [] }, undefined, { records: 2 });
    expect([cut.letters.length, cut.complete]).toEqual([1, false]);
  });
});

describe('the flows that an id leads to', () => {
  it('are ordered by the time of their newest event, whichever domain found it', () => {
    const found = [
      { flowId: 'a', newestAt: '2026-03-01T09:00:03.000000Z' },
      { flowId: 'z', newestAt: '2026-03-01T09:00:01.000000Z' },
      { flowId: 'm', newestAt: '2026-03-01T09:00:02.000000Z' },
      { flowId: 'z', newestAt: '2026-03-01T09:00:04.000000Z' },
    ];
    expect(newestLast(found).map(({ flowId }) => flowId)).toEqual(['m', 'a', 'z']);
  });

  it('are shown as far as the servers answer: a locked table, a missing database and a broker that is away are named', async () => {
    const locked = refusing(new ClassifiedError('HANDLER_TIMEOUT', 'locked'));
    const trace = await traceFlows(sourcesOf({ image: imageStore, scan: locked }), TRACE, { topics: true });
    expect(trace.flows.map(({ flow }) => flow.events.map(({ type }) => type))).toEqual([['ImageRegistered']]);
    expect(trace.flows[0]?.flow.aggregateTypes?.get(EVENT)).toBe('image');
    expect(trace.gaps).toEqual([
      'the database of scan could not be read (HANDLER_TIMEOUT)',
      'the database of character could not be read (HANDLER_TIMEOUT)',
      'the database of my could not be read (HANDLER_TIMEOUT)',
      'the table of flows could not be read (POSTGRES_UNAVAILABLE)',
      'the topic events.image.registered could not be read (KAFKA_UNAVAILABLE)',
      'the database of millrace could not be read (POSTGRES_UNAVAILABLE)',
      'the dead letters could not be read (KAFKA_UNAVAILABLE)',
      'the audit of decisions could not be read (POSTGRES_UNAVAILABLE)',
    ]);
  });

  it('are none, with every database named, when nobody answers', async () => {
    const away = refusing(new ClassifiedError('POSTGRES_UNAVAILABLE', 'away'));
    const trace = await traceFlows(sourcesOf({ image: away, scan: away }), TRACE.toUpperCase(), { topics: false });
    expect(trace.flows).toEqual([]);
    expect(trace.gaps.filter((gap) => gap.startsWith('the database of'))).toHaveLength(5);
  });
});

function refusing(error: ClassifiedError): Session {
  const refuse = async (): Promise<never> => Promise.reject(error);
  return { query: refuse, execute: refuse, prepared: refuse };
}

/** Holds one event; its inbox and its parked records are empty. */
const imageStore = {
  query: async (sql: string, values: readonly unknown[] = []) => {
    if (sql.includes('GROUP BY flow_id')) return values[0] === TRACE ? [{ flow_id: EVENT, newest_at: '2026-03-01T09:00:00.000001Z' }] : [];
    if (!sql.includes('LATERAL')) return [];
    return [
      {
        ...{
          flow_id: EVENT,
          event_id: EVENT,
          aggregate_type: 'image',
          aggregate_id: 'i1',
          sequence_number: 1n,
          event_type: 'ImageRegistered',
        },
        ...{ payload: { user_id: 'ada' }, metadata: { trace_id: TRACE }, created_at: '2026-03-01T09:00:00.000001Z' },
      },
    ];
  },
} as unknown as Session;

function sourcesOf(databases: Readonly<Record<'image' | 'scan', Session>>): TraceSources {
  const away = async (): Promise<never> => Promise.reject(new ClassifiedError('KAFKA_UNAVAILABLE', 'away'));
  return {
    pipeline: definePipeline({ domains: [image, scan, character, my], projections: [], sagas: [] }),
    catalogue: CATALOGUE,
    names: NAMES,
    database: (domain) => (domain === 'image' ? databases.image : databases.scan),
    platform: refusing(new ClassifiedError('POSTGRES_UNAVAILABLE', 'away')) as unknown as Database,
    admin: { committed: away },
    reader: { describe: away, offsetsSince: away, read: away, stop: async () => undefined },
    deadLetters: { queues: [queue], states: { of: away } },
    ...{ eventsMax: 10, recordsMax: 100, flowsMax: 5 },
  };
}
