import { developmentToken } from '../api/development-token.ts';
import type { TokenOptions } from '../api/verify-token.ts';
import { ClassifiedError } from '../core/errors.ts';
import { CHARACTERS } from '../processors/character/catalogue.ts';
import { MAX_CHARACTERS_PER_USER } from '../processors/character/grant-scan-reward.ts';
import { UNREWARDED_CATEGORIES } from '../processors/waste-categories.ts';
import type { Connections } from '../runtime/connections.ts';
import { collectState } from './collect.ts';
import { LiveTable } from './live-table.ts';
import type { LoadProgress } from './load.ts';
import { sendRegistrations } from './load.ts';
import { Observer } from './observe.ts';
import type { DemoCatalogue, DemoPlan } from './plan.ts';
import { expectationOf, planDemo } from './plan.ts';
import { differences } from './verify.ts';

export interface DemoOptions {
  readonly apiUrl: string;
  readonly operationsUrls: () => readonly { readonly role: string; readonly url: string }[];
  readonly connections: Connections;
  /** Names of the projections, in the order of the table. */
  readonly projections: readonly string[];
  readonly tokens: TokenOptions;
  readonly registerUsers: (userIds: readonly string[]) => Promise<void>;
  readonly count: number;
  readonly seed: number;
  readonly concurrency: number;
  /** Without any progress for this long the demo stops waiting and says what is missing. */
  readonly patienceMs: number;
  readonly signal: AbortSignal;
}

const CATALOGUE: DemoCatalogue = {
  characterOf: new Map(CHARACTERS.flatMap(({ id, name, category }) => (category === null ? [] : [[category, { id, name }] as const]))),
  unrewardedCategories: UNREWARDED_CATEGORIES,
  charactersPerUserMax: MAX_CHARACTERS_PER_USER,
};
const LOOK_EVERY_MS = 1_000;
const SETTLED_MS = 5_000;

/** Sends, watches, compares. Resolves with true when everything arrived as it should, and nothing else. */
export async function runDemo(options: DemoOptions): Promise<boolean> {
  const run = Date.now().toString(36);
  const plan = planDemo({ run, seed: options.seed, count: options.count, catalogue: CATALOGUE });
  console.log(`${options.count} registrations of ${plan.users.length} users, run ${run}, seed ${options.seed}`);
  await options.registerUsers(plan.users);
  const observer = new Observer(options.operationsUrls, options.projections);
  await observer.begin();
  const began = performance.now();
  const progress: LoadProgress = { accepted: 0, repeated: 0, refused: 0, retries: 0 };
  const nameOf = new Map(CHARACTERS.map(({ id, name }) => [id, name]));
  const expected = expectationOf(plan, CATALOGUE);

  const loading = sendRegistrations({
    apiUrl: options.apiUrl,
    plan,
    tokenOf: (userId) => developmentToken(options.tokens, { id: userId, lifetimeSeconds: 24 * 3_600 }, Date.now()),
    concurrency: options.concurrency,
    progress,
    signal: options.signal,
  });
  const arrived = await watch(options, plan, observer, progress, loading, began, async (sent) => {
    try {
      const state = await collectState(options.connections, plan.users, `demo-${run}-`);
      return differences(plan, expected, sent, state, (id) => nameOf.get(id) ?? '');
    } catch (error) {
      // A store that is away now may be back at the next look.
      if (error instanceof ClassifiedError && error.disposition === 'outage') return [`not to be compared: ${error.message}`];
      throw error;
    }
  });
  console.log(summary(plan, observer, progress, arrived));
  return arrived.missing.length === 0;
}

interface Arrival {
  readonly missing: readonly string[];
  readonly elapsedMs: number;
}

/** Looks every second until the end state is right, or nothing has moved for as long as the patience lasts. */
async function watch(
  options: DemoOptions,
  plan: DemoPlan,
  observer: Observer,
  progress: LoadProgress,
  loading: ReturnType<typeof sendRegistrations>,
  began: number,
  compare: (sent: Awaited<typeof loading>) => Promise<readonly string[]>,
): Promise<Arrival> {
  const table = new LiveTable(process.stdout, plan.registrations.length);
  let sent: Awaited<typeof loading> | undefined;
  let failure: unknown;
  loading.then(
    (answers) => (sent = answers),
    (error: unknown) => (failure = error),
  );
  let last = '';
  let movedAt = performance.now();
  for (;;) {
    options.signal.throwIfAborted();
    if (failure !== undefined) throw failure instanceof Error ? failure : new Error('sending failed');
    const seen = await observer.observe();
    table.show(performance.now() - began, progress, seen);
    const now = JSON.stringify([progress, seen.captured, seen.processed, [...seen.projected], seen.lag]);
    if (now !== last) movedAt = performance.now();
    last = now;
    const quiet = performance.now() - movedAt;
    // Records of others may wait for their next attempt: when nothing moves any more, what was sent can be there all the same.
    if (sent === undefined && quiet > options.patienceMs)
      throw new Error(`nothing has moved for ${options.patienceMs / 1_000} s: does the pipeline still run?`);
    if (sent !== undefined && (seen.lag === 0 || quiet > SETTLED_MS)) {
      const missing = await compare(sent);
      const elapsedMs = performance.now() - began;
      if (missing.length === 0 || quiet > options.patienceMs) return { missing, elapsedMs };
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

function summary(plan: DemoPlan, observer: Observer, progress: LoadProgress, { missing, elapsedMs }: Arrival): string {
  const ms = (seconds: number): string => `${(seconds * 1_000).toFixed(0)} ms`.padStart(9);
  const events = [...observer.latencies()].reduce((sum, [, { count }]) => sum + count, 0);
  const lines = [
    '',
    'from the commit to the read model      p50       p95       p99     events',
    ...[...observer.latencies()]
      .sort()
      .map(([name, { p50, p95, p99, count }]) => `  ${name.padEnd(30)} ${ms(p50)} ${ms(p95)} ${ms(p99)} ${String(count).padStart(10)}`),
    '',
    `${(progress.accepted / (elapsedMs / 1_000)).toFixed(0)} registrations/s, ${(events / (elapsedMs / 1_000)).toFixed(0)} projected events/s over ${(elapsedMs / 1_000).toFixed(1)} s`,
    `${progress.repeated} repeated requests got their first answer, ${progress.refused} contradicting ones were refused, ${progress.retries} were sent again after a lost connection`,
  ];
  if (missing.length === 0)
    return [...lines, `all ${plan.registrations.length} registrations arrived, field by field: nothing missing, nothing extra`].join('\n');
  return [...lines, `${missing.length} differences:`, ...missing.slice(0, 20).map((line) => `  ${line}`)].join('\n');
}
