import type { PipelineDefinition } from '../../core/define-pipeline.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { Session } from '../postgres/database.ts';
import type { Beginning } from '../postgres/flow-events.ts';
import { readBeginnings } from '../postgres/flow-events.ts';
import { platformTime, readPosition } from '../postgres/flow-table.ts';
import { SWEEP_LIMITS } from './flow-sweep.ts';
import { unreadText } from './load-flows.ts';

/** A flow that has begun and that the sweep has not taken in yet. */
export interface UnseenFlow extends Beginning {
  readonly saga: string;
  readonly domain: string;
}

export interface UnseenFlows {
  /** The newest first. */
  readonly flows: readonly UnseenFlow[];
  /** The oldest of them waits for longer than a sweep that runs would let it. */
  readonly isSweepLate: boolean;
  /** What could not be looked at, in words. */
  readonly gaps: readonly string[];
}

/** A sweep comes once a minute and takes seconds. */
const LATE_MS = SWEEP_LIMITS.settledMs + 3 * 60_000;

/**
 * What began since the sweep last looked, from the event stores: at most `limit` flows of each beginning, the oldest. Rejects with
 * POSTGRES_UNAVAILABLE when the platform's database is away; a domain's that cannot be read is a gap.
 */
export async function unseenFlows(
  sources: { readonly pipeline: PipelineDefinition; readonly platform: Session; readonly database: (domain: string) => Session },
  { saga: only, limit }: { readonly saga?: string | undefined; readonly limit: number },
): Promise<UnseenFlows> {
  const { pipeline, platform, database } = sources;
  const flows = new Map<string, UnseenFlow>();
  const gaps = new Set<string>();
  for (const saga of pipeline.sagas ?? []) {
    if (only !== undefined && saga.name !== only) continue;
    for (const type of saga.begins) {
      const domain = pipeline.domains.find(({ events }) => events.some((event) => event.type === type))?.name;
      if (domain === undefined) continue;
      const { position } = await readPosition(platform, saga.name, type, SWEEP_LIMITS);
      try {
        const found = await readBeginnings(database(domain), domain, type, position, { settledMs: 0, limit });
        for (const beginning of [...found].reverse())
          flows.set(`${saga.name} ${beginning.flowId}`, { ...beginning, saga: saga.name, domain });
      } catch (error) {
        if (!(error instanceof ClassifiedError)) throw error;
        gaps.add(`${unreadText(domain)} (${error.code})`);
      }
    }
  }
  const newestFirst = [...flows.values()].sort((a, b) => (a.at < b.at ? 1 : -1));
  const now = Date.parse(await platformTime(platform));
  const oldest = newestFirst.at(-1);
  return { flows: newestFirst, isSweepLate: oldest !== undefined && now - Date.parse(oldest.at) > LATE_MS, gaps: [...gaps] };
}
