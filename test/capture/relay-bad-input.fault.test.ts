import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { headerText } from '../../core/record.ts';
import { services } from '../support/services.ts';
import { CaptureUnderFault } from './capture-under-fault.ts';
import { readOutbox } from './oracle.ts';
import { incompressible } from './workload.ts';

describe('a relay that meets what nobody should have done', () => {
  let capture: CaptureUnderFault;

  beforeEach(async () => {
    capture = await CaptureUnderFault.open('input', services(), { 'max.message.bytes': '60000' });
  });
  afterEach(async () => {
    await capture.close();
  });

  it('keeps rows and messages that can never be published as dead letters, in order of each kind, and all others pass', async () => {
    await capture.startedRelay({ wire: 'avro' });
    capture.workload().start();
    await capture.moves();
    const payload = (cdn_url: unknown): string => JSON.stringify({ image_id: 'i', user_id: 'user-bad', cdn_url });
    const bad = [
      { code: 'RECORD_TOO_LARGE', row: { payload: payload(incompressible(80_000)) } },
      { code: 'EVENT_UNROUTABLE', row: { topic: 'image.nowhere' } },
      { code: 'PAYLOAD_INVALID', row: { payload: payload(7) } },
      { code: 'EVENT_UNKNOWN', row: { type: 'NobodyKnowsThis' } },
    ];
    const expected: (readonly [id: string, code: string])[] = [];
    const bound = { streamId: 'stream-fired', key: 'user-bad', topic: 'image.registered' };
    for (let round = 0; round < 3; round += 1) {
      for (const [code, event] of [
        ['EVENT_UNROUTABLE', { topic: 'image.nowhere', payload: payload('https://cdn') }],
        ['PAYLOAD_INVALID', { payload: payload(7) }],
      ] as const) {
        const id = randomUUID();
        await capture.database.fire({ ...bound, id, version: expected.length + 1, ...event });
        expected.push([id, code]);
      }
      for (const { code, row } of bad) {
        expected.push([await capture.database.insert({ aggregateid: 'user-bad', ...row }), code]);
        await capture.database.insert({ aggregateid: 'user-bad', payload: payload('https://cdn') });
      }
    }
    const recovery = await capture.recovery();
    const deadLettered = new Set(expected.map(([id]) => id));
    await capture.verify('rows that can never be published', recovery, { deadLettered, valuesAreText: false });
    const letters = await capture.readLetters();
    const found = letters.map(({ headers }) => [headerText(headers, 'id'), headerText(headers, 'dlt-error-code')] as const);
    // Once each but for a lost connection. What Kafka alone can refuse is found later than what can be seen in the row.
    const first = found.filter(([id], index) => found.findIndex((other) => other[0] === id) === index);
    for (const refused of [true, false]) {
      const ofThatKind = ([, code]: readonly [unknown, unknown]): boolean => (code === 'RECORD_TOO_LARGE') === refused;
      expect(first.filter(ofThatKind)).toEqual(expected.filter(ofThatKind));
    }
  });

  it('goes on when somebody truncates a part of the outbox, and publishes what had been committed', async () => {
    await capture.startedRelay();
    capture.workload().start();
    await capture.moves();
    capture.kafka.holdAnswers();
    const old = { createdAt: '2025-11-21T12:00:00Z', aggregateid: 'user-old' };
    for (let row = 0; row < 5; row += 1) await capture.database.insert(old);
    const truncated = (await readOutbox(capture.database)).filter(({ key }) => key === old.aggregateid);
    await capture.database.sql.query('TRUNCATE image.outbox_p20251121');
    expect(truncated).toHaveLength(5);
    capture.kafka.releaseAnswers();
    await capture.verify('a part of the outbox truncated', await capture.recovery(), { truncated });
  });

  it('goes on when columns come and go while it runs', async () => {
    await capture.startedRelay();
    capture.workload().start();
    for (const change of [
      "ADD COLUMN note text DEFAULT 'a column that nobody knows'",
      'DROP COLUMN tracingspancontext',
      'ADD COLUMN amount numeric',
      'DROP COLUMN note',
      'ALTER COLUMN trace_id TYPE text',
    ]) {
      await capture.moves();
      await capture.database.sql.query(`ALTER TABLE image.outbox ${change}`);
    }
    await capture.moves();
    await capture.verify('columns came and went', await capture.recovery());
  });

  it('stands still and says why when a topic is deleted, also when it is there again', async () => {
    const relay = await capture.startedRelay();
    capture.workload().start();
    await capture.moves();
    const [deleted = ''] = capture.topics;
    await capture.untilRemembered(deleted);
    await capture.admin.deleteTopics([deleted]);
    expect(await capture.gapOf(relay)).toBe('TOPIC_MISSING');
    await capture.moreRows(20);
    await capture.ensureTopics();
    expect(await capture.gapOf(await capture.startedRelay())).toBe('TOPIC_RECREATED');
    // What Kafka had acknowledged is gone with the topic: that is nothing that a capture could prevent.
    const gone = capture.produced.filter(({ partition }) => partition.startsWith(`${deleted}/`)).flatMap(({ ids }) => ids);
    await capture.verifyStandstill('a topic was deleted and made again', 'known', gone);
  });
});
