import { randomBytes } from 'node:crypto';
import { SILENT_LOGGER } from '../../core/log.ts';
import { NO_METRICS } from '../../core/metrics.ts';
import { flowSources } from '../../runtime/compose-flows.ts';
import { loadConfig } from '../../runtime/config.ts';
import { Connections } from '../../runtime/connections.ts';
import { FlowSweep } from '../../runtime/flows/flow-sweep.ts';
import { createSettleStep } from '../../runtime/flows/settle-step.ts';
import type { Database, Session, TransactionSession } from '../../runtime/postgres/database.ts';
import { pipeline } from './overdue-at-once.ts';
import { systemClock } from './system-clock.ts';

/** One pass of the sweep in a process of its own. */
export interface SweepTask {
  readonly environment: Readonly<Record<string, string>>;
  /** Beside which use of the sweep's table, or decision, the process kills itself without a farewell. */
  readonly killed: { readonly use: number; readonly after: boolean };
}

export interface SweepNews {
  readonly is: 'passed';
  readonly uses: number;
}

const { environment, killed } = JSON.parse(process.argv[2] ?? '{}') as SweepTask;
let uses = 0;

const connections = new Connections(pipeline, loadConfig(environment), SILENT_LOGGER, 'test-sweep');
const settle = createSettleStep({
  unitOfWork: (domain) => connections.unitOfWork(domain),
  random: (length) => randomBytes(length),
  clock: systemClock,
});
const sweep = new FlowSweep({
  ...flowSources(pipeline, connections),
  platform: watched(connections.platform()),
  settle: (...step) => use(() => settle(...step)),
  metrics: NO_METRICS,
  logger: SILENT_LOGGER,
  limits: { settledMs: 0 },
});
await sweep.pass(new AbortController().signal);
process.send?.({ is: 'passed', uses } satisfies SweepNews, () => process.exit());

async function use<T>(work: () => Promise<T>): Promise<T> {
  const dies = uses === killed.use;
  uses += 1;
  if (dies && !killed.after) process.kill(process.pid, 'SIGKILL');
  const answer = await work();
  if (dies) process.kill(process.pid, 'SIGKILL');
  return answer;
}

/** A transaction is a use, as is each statement within it. */
function watched(inner: Database): Database {
  return {
    domain: inner.domain,
    ...statements(inner),
    transaction: (work) => use(() => inner.transaction((session) => work(within(session)))),
    stop: (hard) => inner.stop(hard),
  };
}

function within(session: TransactionSession): TransactionSession {
  return { ...statements(session), waiting: (waitMs, text, values) => use(() => session.waiting(waitMs, text, values)) };
}

function statements(session: Session): Session {
  return {
    query: (text, values) => use(() => session.query(text, values)),
    execute: (text, values) => use(() => session.execute(text, values)),
    prepared: (text, values) => use(() => session.prepared(text, values)),
  };
}
