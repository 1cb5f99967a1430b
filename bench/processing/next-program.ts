import { defineProcessor, defineReaction } from '../../core/define.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { profileAggregate } from '../../processors/my/aggregate.ts';
import { statisticsChanged } from '../../processors/my/profile-statistics.ts';
import { createDatabase } from '../../runtime/postgres/database.ts';
import type { EventHandler } from '../../runtime/processing/event-handler.ts';
import { imageRegistered } from '../../schemas/catalogue.ts';
import { utf8 } from '../../core/record.ts';
import { rowNumber } from '../capture/outbox-table.ts';
import { WallClock } from '../wall-clock.ts';
import { startGroup } from './group.ts';
import { endWhenTold, orderOf, reportBack } from './program-channel.ts';
import { stepHandler } from './step-handler.ts';

export interface NextProgramOrder {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly group: string;
  readonly databaseUrl: string;
}

/** Rows to come, told by the benchmark. */
export interface ExpectedEvents {
  readonly first: number;
  readonly rows: number;
}

/** Microseconds since the epoch at which the reaction to each of them began, and at which its transaction was committed. */
export interface ReactionTimes {
  readonly begun: readonly number[];
  readonly done: readonly number[];
}

/** A group that reacts to each event of a topic by a step in the domain `my`, and notes when. */
const order = orderOf<NextProgramOrder>();
const clock = new WallClock();
const database = createDatabase({ url: order.databaseUrl, domain: 'my', logger: SILENT_LOGGER });
const reactions = stepHandler(
  database,
  { databaseUrl: order.databaseUrl, batchMax: 64, connections: 1 },
  defineProcessor({
    domain: 'my',
    reactions: [
      defineReaction({
        on: imageRegistered,
        aggregate: profileAggregate,
        aggregateId: ({ payload }) => payload.user_id,
        idempotencyKey: ({ id }) => `bench:${id}`,
        decide: ({ state, event }) =>
          statisticsChanged(event.payload.user_id, { ...state, acquired: state.acquired + 1 }, 'character_acquired'),
      }),
    ],
  }),
);
let expected: ExpectedEvents = { first: 0, rows: 0 };
let begun = new Float64Array(0);
let done = new Float64Array(0);
let missing = 0;

const timed: EventHandler = async (event, context) => {
  const index = rowNumber(utf8(event.id)) - expected.first;
  if (index >= 0 && index < expected.rows) begun[index] ||= clock.micros();
  const result = await reactions.handle(event, context);
  if (result.kind === 'acked' && index >= 0 && index < expected.rows && done[index] === 0) {
    done[index] = clock.micros();
    missing -= 1;
    if (missing === 0) await reportBack({ begun: [...begun], done: [...done] } satisfies ReactionTimes);
  }
  return result;
};

process.on('message', (message) => {
  expected = message as ExpectedEvents;
  begun = new Float64Array(expected.rows);
  done = new Float64Array(expected.rows);
  missing = expected.rows;
  clock.calibrate();
  void reportBack({ ready: true });
});
const group = await startGroup({ ...order, handler: timed });
endWhenTold(async () => {
  await group.stop(AbortSignal.timeout(5_000));
  await reactions.stop();
  await database.stop();
});
await reportBack({ running: true });
