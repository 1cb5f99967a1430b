import type { ErrorCode } from '../../core/errors.ts';
import { ClassifiedError, isErrorCode } from '../../core/errors.ts';
import type { RecordToPark } from '../../core/parked-records.ts';
import { recordBytes } from '../../core/record.ts';
import type { Connections } from '../connections.ts';
import type { Database } from '../postgres/database.ts';
import { enqueueParked } from '../postgres/parked-records.ts';
import { laneOf } from '../processing/lane.ts';
import { envelopeOf } from '../processing/record-in-hand.ts';
import type { GroupQueue } from './letter-queues.ts';
import type { Letter } from './letter.ts';
import type { GiveBack } from './replay.ts';
import { replayedRecord } from './replay.ts';

/** Bytes that go to the database in one statement, unless one record alone is larger. */
const STATEMENT_BYTES_MAX = 4 * 1_048_576;

/** Puts the records where the group's own retries wait: in its domain's database, those of a projection in the platform's. */
export function giveBackTo(connections: Pick<Connections, 'database' | 'platform'>): GiveBack {
  return async (queue, letters) => {
    const database = parkingOf(queue, connections);
    let rows: RecordToPark[] = [];
    let bytes = 0;
    for (const letter of letters) {
      const row = rowOf(queue, letter);
      if (row === undefined) continue;
      const size = recordBytes(row.record);
      if (rows.length > 0 && bytes + size > STATEMENT_BYTES_MAX) {
        await enqueueParked(database, queue.group, rows);
        rows = [];
        bytes = 0;
      }
      rows.push(row);
      bytes += size;
    }
    if (rows.length > 0) await enqueueParked(database, queue.group, rows);
  };
}

function parkingOf({ reader }: GroupQueue, connections: Pick<Connections, 'database' | 'platform'>): Database {
  return reader.kind === 'processor' ? connections.database(reader.domain.name) : connections.platform();
}

/** Due now, and with all attempts before it. */
function rowOf(queue: GroupQueue, letter: Letter): RecordToPark | undefined {
  const record = replayedRecord(letter);
  if (record === undefined) return undefined;
  // As its group reads it: the row that waits, if there is one, is found by this.
  const envelope = envelopeOf(record);
  return {
    lane: laneOf(record, queue.overtakingTopics),
    record,
    ...{ attempts: 0, delayMs: 0, blocked: false },
    firstFailedAtMs: letter.firstFailedAt === undefined ? undefined : Date.parse(letter.firstFailedAt),
    error: { code: knownCode(letter.errorCode), message: letter.errorMessage },
    event: envelope instanceof ClassifiedError ? undefined : { id: envelope.id, type: envelope.type, traceId: envelope.traceId },
  };
}

/** A letter may be of a version that knew other errors. */
function knownCode(code: string): ErrorCode {
  return isErrorCode(code) ? code : 'UNCLASSIFIED';
}
