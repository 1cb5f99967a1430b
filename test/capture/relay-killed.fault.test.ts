import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RelayFailpoint } from '../../connectors/outbox/failpoint.ts';
import { RELAY_FAILPOINTS } from '../../connectors/outbox/failpoint.ts';
import { services } from '../support/services.ts';
import { LONG } from '../support/long.ts';
import { CaptureUnderFault } from './capture-under-fault.ts';
import { incompressible } from './workload.ts';

/** What it takes for a relay to come to a place. */
type Way = 'rows' | 'a large transaction' | 'rows that are encoded' | 'rows that are refused' | 'a slot in use' | 'a start' | 'a stop';

function wayTo(label: string): Way {
  if (label.startsWith('stop-')) return 'a stop';
  if (label.startsWith('letter-') || label === 'batch-split') return 'rows that are refused';
  if (label.startsWith('standby-')) return 'a slot in use';
  if (label === 'stream-checking') return 'a start';
  if (label === 'batch-sealed-mid-transaction') return 'a large transaction';
  return label === 'row-waiting' ? 'rows that are encoded' : 'rows';
}

const VISITS = LONG ? [1, 2, 3, 5, 9] : [1, 3];
const DEATHS = RELAY_FAILPOINTS.flatMap((at) => {
  const way = wayTo(at);
  const onVisits = way === 'a stop' || way === 'a start' ? [1] : VISITS;
  return onVisits.map((onVisit) => ({ at, onVisit, way }));
});

describe('a relay that is killed', () => {
  let capture: CaptureUnderFault;

  beforeEach(async () => {
    capture = await CaptureUnderFault.open('killed', services(), { 'max.message.bytes': '60000' });
  });
  afterEach(async () => {
    await capture.close();
  });

  it.each(DEATHS)('at $at, visit $onVisit, has lost nothing and mixed up no key', async ({ at, onVisit, way }) => {
    const workload = capture.workload();
    if (way === 'rows that are encoded') await rowsAtOnce(50);
    await workload.writeSome(20);
    const deadLettered = way === 'rows that are refused' ? await refusedRows() : new Set<string>();
    if (way === 'a large transaction') await capture.database.insertMany(3_000);
    const before = way === 'a slot in use' ? await capture.startedRelay() : undefined;
    // Small batches, so that they end inside of transactions.
    const usual = { settings: { batchRowsMax: 7 }, wire: way === 'rows that are encoded' ? 'avro' : 'json' } as const;
    const doomed = capture.relay({ ...usual, failpoint: { at, onVisit, then: 'die' } });
    workload.start();
    if (way === 'a stop') {
      await capture.published();
      doomed.askToStop();
    }
    // Any other end, or none, says that the place was never reached.
    expect(await endOf(doomed.ended, at)).toBe('SIGKILL');
    await before?.kill();
    const recovery = capture.recovery();
    await capture.startedRelay(usual);
    await capture.verify(`killed at ${at}, visit ${onVisit}`, await recovery, { deadLettered, valuesAreText: usual.wire === 'json' });
  });

  /** First in the log, in one read: all of them wait behind the first, whose topic and schema nobody has asked for yet. */
  async function rowsAtOnce(rows: number): Promise<void> {
    const { sql } = capture.database;
    await sql.query('BEGIN');
    for (let version = 1; version <= rows; version += 1) {
      const payload = JSON.stringify({ image_id: 'i', user_id: 'user-1', cdn_url: `https://cdn/${version}` });
      await capture.database.insert({ payload, version });
    }
    await sql.query('COMMIT');
  }

  /** Of both kinds: what the row itself shows, and what only Kafka refuses. */
  async function refusedRows(): Promise<Set<string>> {
    const ids = new Set<string>();
    for (let round = 0; round < 3; round += 1) {
      ids.add(await capture.database.insert({ topic: 'image.nowhere' }));
      ids.add(await capture.database.insert({ payload: JSON.stringify({ filler: incompressible(80_000) }) }));
      await capture.database.insert({ payload: '{"n": 1}' });
      ids.add(await firedNowhere(round + 1));
    }
    return ids;
  }

  /** An event without a row that can never be published. */
  async function firedNowhere(version: number): Promise<string> {
    const id = randomUUID();
    await capture.database.fire({ id, streamId: 'stream-fired', version, key: 'user-1', topic: 'image.nowhere', payload: '{"n": 1}' });
    return id;
  }
});

async function endOf(ended: Promise<NodeJS.Signals | null>, at: RelayFailpoint): Promise<NodeJS.Signals | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the relay never came to ${at}`)), 40_000);
  });
  try {
    return await Promise.race([ended, late]);
  } finally {
    clearTimeout(timer);
  }
}
