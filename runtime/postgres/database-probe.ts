import type { Clock } from '../../core/clock.ts';
import type { HealthReport, HealthSource, Service } from '../../core/lifecycle.ts';
import { classified } from '../../core/errors.ts';
import type { Database } from './database.ts';

const INTERVAL_MS = 2_000;

/** Asks a database every two seconds whether it answers, and reports it: what a process that only waits for requests is ready by. */
export function createDatabaseProbe(database: Database, clock: Clock): Service & HealthSource {
  const name = `database.${database.domain}`;
  const stopping = new AbortController();
  let report: HealthReport = { name, status: 'down', detail: 'not asked yet' };
  let running: Promise<void> | undefined;

  const ask = async (): Promise<void> => {
    try {
      await database.query('SELECT 1');
      report = { name, status: 'ok' };
    } catch (thrown) {
      const error = classified(thrown, 'POSTGRES_UNAVAILABLE', 'the database does not answer');
      report = { name, status: 'down', detail: `${error.message}. ${error.remedy}` };
    }
  };
  const loop = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await ask();
      await clock.sleep(INTERVAL_MS, stopping.signal).catch(() => undefined); // the abort of the stop
    }
  };
  return {
    name: `probe.${name}`,
    start: async () => {
      running ??= loop();
    },
    stop: async () => {
      stopping.abort();
      await running;
    },
    health: () => [report],
  };
}
