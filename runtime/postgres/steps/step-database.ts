import type { Logger } from '../../../core/log.ts';
import type { Database } from '../database.ts';
import { createDatabase } from '../database.ts';
import { LANES } from './in-parts.ts';

export interface StepDatabaseOptions {
  readonly url: string;
  readonly domain: string;
  /** Batches in flight: a connection for each, and for each lane in which one is done again in parts. None ever stands in line for one. */
  readonly batchesMax: number;
  readonly applicationName?: string;
  readonly logger: Logger;
  /** What a reaction may take. */
  readonly stepTimeoutMs?: number;
  readonly lockTimeoutMs?: number;
  readonly preparedStatements?: boolean;
}

const STEP_TIMEOUT_MS = 5_000;
/** A batch that is stuck must be given up while its steps still have time to be done without the one that is slow. */
const SHARE_OF_STEP = 1 / 4;
/** Who makes a batch wait for longer is no neighbour that is met in passing, but somebody who holds a row. */
const LOCK_TIMEOUT_MS = 250;

/** The connections on which batches of steps are read and written. */
export function createStepDatabase(options: StepDatabaseOptions): Database {
  const { batchesMax, stepTimeoutMs = STEP_TIMEOUT_MS, lockTimeoutMs = LOCK_TIMEOUT_MS, ...more } = options;
  return createDatabase({
    ...more,
    poolMax: batchesMax * LANES,
    statementTimeoutMs: Math.ceil(stepTimeoutMs * SHARE_OF_STEP),
    lockTimeoutMs,
    lookupsOnly: true,
  });
}
