import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { utf8 } from '../../core/record.ts';
import { pipeline } from '../../pipeline.ts';
import { consumedRecord } from '../../test/support/consumed-record.ts';
import { letterRecord } from '../../test/support/letters.ts';
import { LettersUnderTest } from '../../test/support/letters-under-test.ts';
import { flowSources } from '../compose-flows.ts';
import { discardLetters } from '../dead-letters/discard.ts';
import { enqueueParked } from '../postgres/parked-records.ts';
import { envelopeOf } from '../processing/record-in-hand.ts';
import { ClassifiedError } from '../../core/errors.ts';
import { traceFlows } from './trace-flows.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
let given: LettersUnderTest;

beforeAll(async () => {
  given = await LettersUnderTest.open('trace');
  await given.makeDatabase('my');
  await given.makeTopicOf(given.queue);
});
afterAll(() => given.close());

const traced = (id: string) => {
  const { connections, letters } = given;
  const sources = { ...flowSources(pipeline, connections), platform: connections.platform(), deadLetters: letters, flowsMax: 5 };
  return traceFlows(sources, id, { topics: false });
};

describe('the timeline of an id, while most databases are away', () => {
  it('shows the parked records of a read model and the dead letters of a processor, by trace, event and key', async () => {
    const { queue, config, connections } = given;
    const record = { ...consumedRecord({ at: 7, key: 'ada', type: 'CharacterAcquired' }), topic: queue.source };
    const envelope = envelopeOf(record);
    if (envelope instanceof ClassifiedError) throw envelope;
    const projection = config.names.projectionGroup('scan-history', 1);
    await enqueueParked(connections.platform(), projection, [
      {
        ...{ lane: 'ada', record, attempts: 2, delayMs: 3_600_000, blocked: false, firstFailedAtMs: undefined },
        error: { code: 'ELASTICSEARCH_UNAVAILABLE', message: 'away' },
        event: { id: envelope.id, type: envelope.type, traceId: envelope.traceId },
      },
    ]);
    const letter = letterRecord({ at: 7, record, group: queue.group, writtenAtMs: Date.now() });
    const { value, headers, timestampMs } = letter;
    await given.send([{ topic: queue.topic, partition: 0, key: utf8('ada'), value, headers, timestampMs }]);
    await discardLetters([queue], {}, { ...given.letters, actor: 'olga' });

    for (const id of [TRACE, envelope.id, 'ada']) {
      const { flows, otherRecords, gaps } = await traced(id);
      expect(flows).toEqual([]);
      expect(otherRecords.parked).toEqual([
        expect.objectContaining({
          group: projection,
          eventId: envelope.id,
          attempts: 2,
          isFirst: true,
          errorCode: 'ELASTICSEARCH_UNAVAILABLE',
        }),
      ]);
      expect(otherRecords.letters).toMatchObject([{ group: queue.group, state: 'discarded', letter: { errorCode: 'DECISION_FAILED' } }]);
      // The audit knows events and traces, and no keys.
      const decided =
        id === 'ada' ? [] : [expect.objectContaining({ action: 'discarded', actor: 'olga', group: queue.group, eventId: envelope.id })];
      expect(otherRecords.decisions).toEqual(decided);
      expect(gaps).toContain('the database of scan could not be read (POSTGRES_UNAVAILABLE)');
      expect(gaps.join()).not.toMatch(/of my|of millrace|dead letters|table of flows/);
    }
    expect((await traced('nobody')).otherRecords).toEqual({ parked: [], letters: [], decisions: [] });
  });
});
