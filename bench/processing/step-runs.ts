import { join } from 'node:path';
import { BUSY_NODE_OPTIONS } from '../../runtime/node-options.ts';
import { startProgram } from '../node-program.ts';
import type { BenchContext } from './bench-context.ts';
import type { FigureId } from './figures.ts';
import { pgbench, type PgbenchOrder } from './pgbench.ts';
import type { StepScript } from './step-sql.ts';
import { StepDatabase } from './step-database.ts';
import type { StepOutcome, StepProgramOrder } from './step-program.ts';

const USERS = 10_000;
const CONNECTIONS = 8;
const GROUP_CONCURRENCY = 200;
/** The product's default. */
const BATCH_MAX = 64;
const WARM_UP_SECONDS = 2;

/** The same step by PostgreSQL's own load generator and by the product, one after the other within each run, on empty tables each. */
export async function stepRuns(context: BenchContext): Promise<void> {
  const { plan, sides, servers } = context;
  const database = await StepDatabase.create(servers.postgresUrl, `${context.namespace}_steps`);
  for (let run = 0; run < plan.runs; run += 1) {
    if (sides.includes('pgbench')) {
      await byPgbench(context, database, run, 'step.single', 'five', CONNECTIONS, 1);
      await byPgbench(context, database, run, 'step.statement', 'statement', CONNECTIONS, 1);
      await byPgbench(context, database, run, 'step.hundred-1', 'hundred', 1, 100);
      await byPgbench(context, database, run, 'step.hundred-8', 'hundred', CONNECTIONS, 100);
      await partsByPgbench(context, database, run);
    }
    if (sides.includes('millrace')) {
      await byMillrace(context, database, run, 'step.single', {
        mode: 'reactions',
        batchMax: 1,
        connections: CONNECTIONS,
        concurrency: CONNECTIONS,
      });
      await byMillrace(context, database, run, 'step.reactions', {
        mode: 'reactions',
        batchMax: BATCH_MAX,
        connections: CONNECTIONS,
        concurrency: GROUP_CONCURRENCY,
      });
      await partsByMillrace(context, database, run);
    }
  }
  if (context.profiler !== undefined && sides.includes('millrace')) {
    await steps(
      context,
      database,
      { mode: 'reactions', batchMax: BATCH_MAX, connections: CONNECTIONS, concurrency: GROUP_CONCURRENCY },
      context.profiler.folder,
    );
    await context.profiler.note('saga steps as a group runs them');
  }
}

async function byPgbench(
  context: BenchContext,
  database: StepDatabase,
  run: number,
  figure: FigureId,
  script: StepScript,
  clients: number,
  stepsPerTransaction: number,
): Promise<void> {
  const { transactionsPerSecond } = await emptied(database, () => pgbench(orderOf(context, database, script, clients)));
  const rate = transactionsPerSecond * stepsPerTransaction;
  context.say(`steps: pgbench, ${script} by ${clients}, run ${run + 1}: ${Math.round(rate)} steps/s`);
  context.book.add(figure, 'pgbench', rate);
}

async function partsByPgbench(context: BenchContext, database: StepDatabase, run: number): Promise<void> {
  const { partMicros } = await emptied(database, () => pgbench(orderOf(context, database, 'five', 1)));
  const shown = [...partMicros].map(([part, micros]) => `${part} ${Math.round(micros)}`).join(', ');
  context.say(`steps: pgbench, parts of one on one connection, run ${run + 1}: ${shown} µs`);
  for (const [part, micros] of partMicros) context.book.add(`part.${part}`, 'pgbench', micros);
}

function orderOf({ plan, servers, signal }: BenchContext, { url }: StepDatabase, script: StepScript, clients: number): PgbenchOrder {
  return {
    databaseUrl: url,
    script,
    clients,
    users: USERS,
    seconds: plan.stepSeconds,
    folder: join(servers.dataFolder, 'pgbench'),
    signal,
  };
}

type How = Pick<StepProgramOrder, 'mode' | 'batchMax' | 'connections' | 'concurrency'>;

async function byMillrace(
  context: BenchContext,
  database: StepDatabase,
  run: number,
  figure: 'step.single' | 'step.reactions',
  how: How,
): Promise<void> {
  const made = await steps(context, database, how);
  const rate = (made.steps * 1_000) / made.wallMs;
  const cpu = (made.cpuMs * 1_000) / made.steps;
  context.say(`${figure}: millrace, run ${run + 1}: ${Math.round(rate)} steps/s, ${cpu.toFixed(1)} ms of CPU per 1,000`);
  context.book.add(figure, 'millrace', rate);
  context.book.add(`${figure}.cpu`, 'millrace', cpu);
}

const PARTS = ['begin', 'inbox', 'load', 'decide', 'append', 'commit'] as const;

async function partsByMillrace(context: BenchContext, database: StepDatabase, run: number): Promise<void> {
  const { partMicros } = await steps(context, database, { mode: 'parts', batchMax: 1, connections: 1, concurrency: 1 });
  context.say(
    `steps: millrace, parts of one on one connection, run ${run + 1}: ${PARTS.map((part) => `${part} ${Math.round(partMicros[part] ?? NaN)}`).join(', ')} µs`,
  );
  for (const part of PARTS) context.book.add(`part.${part}`, 'millrace', partMicros[part] ?? NaN);
}

async function steps(context: BenchContext, database: StepDatabase, how: How, profileFolder?: string): Promise<StepOutcome> {
  const { plan, programs } = context;
  const order: StepProgramOrder = {
    ...how,
    databaseUrl: database.url,
    users: USERS,
    warmUpSeconds: Math.min(WARM_UP_SECONDS, plan.stepSeconds),
    seconds: plan.stepSeconds,
  };
  return emptied(database, async () => {
    const running = await startProgram({ program: programs.step, order, nodeOptions: BUSY_NODE_OPTIONS, profileFolder });
    try {
      return (await running.next()) as StepOutcome;
    } finally {
      await running.stop();
    }
  });
}

async function emptied<T>(database: StepDatabase, measure: () => Promise<T>): Promise<T> {
  await database.empty();
  return measure();
}
