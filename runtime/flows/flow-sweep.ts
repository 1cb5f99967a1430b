import type { DomainDefinition, OverdueStep, SagaDefinition } from '../../core/define.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { LogFields, Logger } from '../../core/log.ts';
import type { Metrics } from '../../core/metrics.ts';
import type { Database } from '../postgres/database.ts';
import type { Beginning, BeginningsPosition } from '../postgres/flow-events.ts';
import { countBeginnings, readBeginnings } from '../postgres/flow-events.ts';
import { OpenTransactionsWatch } from '../postgres/open-transactions.ts';
import type { FlowRow } from '../postgres/flow-table.ts';
import { platformTime, pruneFlows, readDueFlows, readPosition, writeBeginnings, writeFlows } from '../postgres/flow-table.ts';
import type { Flow, Verdict } from './flow.ts';
import { judgeFlow } from './flow.ts';
import type { Begun, Waiting } from './flow-row.ts';
import { begun, postponed, rowOf } from './flow-row.ts';
import type { FlowSources } from './load-flows.ts';
import { loadFlows } from './load-flows.ts';
import type { LocateSources } from './locate-steps.ts';
import { groupOf, locateSteps } from './locate-steps.ts';
import { FlowReport } from './flow-report.ts';
import type { SettleStep } from './settle-step.ts';
import { isGivenUp } from './whereabouts.ts';

export interface FlowSweepOptions extends FlowSources, LocateSources {
  readonly platform: Database;
  readonly settle: SettleStep;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly limits?: Partial<SweepLimits>;
}

/** What one pass does at most, so that it stays short; what is left is due in the next one. */
export interface SweepLimits {
  /** Flows that are looked at together. */
  readonly pageFlows: number;
  /** Pages of beginnings, and of due flows. */
  readonly pages: number;
  /** Overdue flows whose records are looked for. */
  readonly located: number;
  /** How old an event must be to begin a flow here: older than any transaction of ours that may still be open. */
  readonly settledMs: number;
  /** Foreign transactions that are open for longer are not waited for. */
  readonly openMs: number;
  /** How far back beginnings are read at first. */
  readonly backMs: number;
  /** Rows of flows that ended are kept so long. */
  readonly keepEndedMs: number;
  /** Rows of flows that never ended are kept so long, and beginnings are read from so far back after a standstill. */
  readonly forgetMs: number;
}

const HOUR_MS = 3_600_000;
/** Rows of a statement, of which a pass makes as many as pages. */
const PRUNED_AT_ONCE = 5_000;
const PASSED_OVER_COUNTED = 1_000_000;
/** The inbox keeps its keys for 31 days: beyond them nobody can say whether a step was made. */
export const SWEEP_LIMITS: SweepLimits = {
  pageFlows: 200,
  pages: 100,
  located: 200,
  settledMs: 120_000,
  openMs: HOUR_MS,
  backMs: 24 * HOUR_MS,
  keepEndedMs: 7 * 24 * HOUR_MS,
  forgetMs: 28 * 24 * HOUR_MS,
};

export interface PassResult {
  /** Flows seen for the first time. */
  readonly begun: number;
  readonly ended: number;
  readonly settled: number;
  /** A limit was met: there is more to do at once. */
  readonly more: boolean;
  /** Domains whose databases could not be read, for whatever reason. */
  readonly unread: readonly string[];
  /** What a part of the pass met; the other parts were gone through. */
  readonly failure: ClassifiedError | undefined;
}

/**
 * One look over the flows of all sagas: takes in those that began, judges those that are due, says of each overdue one who waits,
 * and settles what its saga declares. Any number of passes may run at the same time, and one may die anywhere: what it wrote
 * stays true, and the next one does the rest.
 */
export class FlowSweep {
  private readonly options: FlowSweepOptions;
  private readonly limits: SweepLimits;
  private readonly sagas: ReadonlyMap<string, SagaDefinition>;
  /** By domain. */
  private readonly open = new Map<string, OpenTransactionsWatch>();

  constructor(options: FlowSweepOptions) {
    this.options = options;
    this.limits = { ...SWEEP_LIMITS, ...options.limits };
    this.sagas = new Map((options.pipeline.sagas ?? []).map((saga) => [saga.name, saga]));
  }

  /**
   * Rejects with POSTGRES_UNAVAILABLE when the platform's database is away. Whatever else one saga, one flow or one domain's
   * database meets leaves the others alone.
   */
  async pass(stopping: AbortSignal): Promise<PassResult> {
    const counts: Counts = { begun: 0, ended: 0, settled: 0, more: false, unread: [], failure: undefined };
    for (const saga of this.sagas.values()) {
      for (const type of saga.begins) {
        const failure = await failureOf(() => this.takeIn(saga, type, counts, stopping));
        if (failure !== undefined) this.failed(failure, counts, { saga: saga.name, 'event.type': type }, 'beginnings were not taken in');
      }
    }
    await this.lookAgain(counts, stopping);
    const { keepEndedMs, forgetMs, pages } = this.limits;
    const { forgotten } = await pruneFlows(
      this.options.platform,
      { keepEndedMs, forgetMs, batch: PRUNED_AT_ONCE, batches: pages },
      stopping,
    );
    if (forgotten > 0)
      this.options.logger.error({ flows: forgotten }, 'flows never ended, and are too old to be judged: they are forgotten');
    return counts;
  }

  private async takeIn(saga: SagaDefinition, type: string, counts: Counts, stopping: AbortSignal): Promise<void> {
    const domain = this.ownerOf(type);
    const { platform, database } = this.options;
    const { pageFlows, pages, settledMs } = this.limits;
    const stood = await readPosition(platform, saga.name, type, this.limits);
    let { position } = stood;
    if (stood.passedOver !== undefined && !(await this.passOver(saga, type, stood.passedOver, position, counts))) return;
    const before = await this.unlessUnread(domain.name, counts, () => this.settledBefore(domain.name));
    if (before === undefined) return;
    for (let page = 0; page < pages && !stopping.aborted; page += 1) {
      const beginnings = await this.unlessUnread(domain.name, counts, () =>
        readBeginnings(database(domain.name), domain.name, type, position, { settledMs, before, limit: pageFlows }),
      );
      const last = beginnings?.at(-1);
      if (beginnings === undefined || last === undefined) return;
      position = { readTo: last.at, eventId: last.eventId };
      const rows = await this.firstLook(saga, domain.name, beginnings, counts);
      await writeBeginnings(platform, rows, { saga: saga.name, type, position });
      this.countEnds(rows, counts);
      counts.begun += rows.length;
      if (beginnings.length < pageFlows) return;
    }
    counts.more = true;
  }

  /** What is older cannot be added any more, as long as writers take the time of their transaction for that of the event. */
  private async settledBefore(domain: string): Promise<string> {
    const watch = this.open.get(domain) ?? new OpenTransactionsWatch(this.limits.openMs);
    this.open.set(domain, watch);
    const { before, ignored } = await watch.look(this.options.database(domain));
    if (ignored > 0)
      this.options.logger.warn(
        { domain, transactions: ignored },
        'transactions are open for so long that flows which they begin are not waited for',
      );
    return before;
  }

  /** The sweep stood for longer than anybody can judge: said and counted before the position is moved. False: it was not moved. */
  private async passOver(
    saga: SagaDefinition,
    type: string,
    stood: BeginningsPosition,
    position: BeginningsPosition,
    counts: Counts,
  ): Promise<boolean> {
    const { platform, database, logger, metrics } = this.options;
    const { name } = this.ownerOf(type);
    const between = { after: stood, before: position, max: PASSED_OVER_COUNTED };
    const flows = await this.unlessUnread(name, counts, () => countBeginnings(database(name), name, type, between));
    if (flows === undefined) return false;
    // None is the rule: of a type that does not come for weeks the position stands still, too.
    if (flows > 0) {
      logger.error(
        { saga: saga.name, 'event.type': type, flows, from: stood.readTo, to: position.readTo },
        'the sweep stood still for longer than flows can be judged: those that began meanwhile are passed over, whether they ended or not',
      );
      metrics.count('millrace_flows_passed_over_total', { saga: saga.name }, flows);
    }
    await writeBeginnings(platform, [], { saga: saga.name, type, position });
    return true;
  }

  /** Most flows have ended by the time they are seen; those that are overdue already are due at once. */
  private async firstLook(
    saga: SagaDefinition,
    domain: string,
    beginnings: readonly Beginning[],
    counts: Counts,
  ): Promise<readonly FlowRow[]> {
    const first = new Map([...beginnings].reverse().map((beginning) => [beginning.flowId, beginning]));
    const flows = await this.load([...first.keys()], counts);
    const now = await platformTime(this.options.platform);
    return [...first.values()].map((beginning) => {
      const flow = begun(saga, domain, beginning);
      const verdict = judge(saga, flow, flows.get(beginning.flowId), now);
      const row = rowOf(flow, verdict, [], now);
      return row.status === 'overdue' ? { ...row, next_look_at: now } : row;
    });
  }

  private async lookAgain(counts: Counts, stopping: AbortSignal): Promise<void> {
    const { platform } = this.options;
    const report = new FlowReport(this.options.logger);
    let toLocate = this.limits.located;
    const now = await platformTime(platform);
    let more = true;
    for (let page = 0; more && page < this.limits.pages && !stopping.aborted; page += 1) {
      // Once no more may be looked for: those that need no looking for. The others stay due, first of all in the next pass.
      const due = await readDueFlows(platform, now, this.limits.pageFlows, toLocate > 0 ? 'all' : 'running');
      if (due.length > 0) toLocate = Math.max(0, toLocate - (await this.lookAtPage(due, toLocate, report, counts, stopping)));
      more = due.length === this.limits.pageFlows;
    }
    report.close();
    if (more) counts.more = true;
  }

  /** One at a time where they cannot be looked at together; the one that fails alone is left for later. */
  private async lookAtPage(
    due: readonly FlowRow[],
    toLocate: number,
    report: FlowReport,
    counts: Counts,
    stopping: AbortSignal,
  ): Promise<number> {
    let located = 0;
    const together = await failureOf(async () => (located = await this.lookAt(due, toLocate, report, counts, stopping)));
    if (together === undefined) return located;
    for (const row of due) {
      if (stopping.aborted) break;
      const left = Math.max(0, toLocate - located);
      const failure = await failureOf(async () => (located += await this.lookAt([row], left, report, counts, stopping)));
      if (failure === undefined) continue;
      this.failed(failure, counts, { saga: row.saga, 'flow.id': row.flow_id }, 'a flow could not be looked at');
      await writeFlows(this.options.platform, [postponed(row, await platformTime(this.options.platform))]);
    }
    return located;
  }

  /** How many of the flows had their records looked for. */
  private async lookAt(
    due: readonly FlowRow[],
    toLocate: number,
    report: FlowReport,
    counts: Counts,
    stopping: AbortSignal,
  ): Promise<number> {
    const flows = await this.load([...new Set(due.map(({ flow_id }) => flow_id))], counts);
    const now = await platformTime(this.options.platform);
    const looks = due.flatMap((row): Look[] => {
      const saga = this.sagas.get(row.saga);
      const flow = flows.get(row.flow_id);
      // Of a saga that is no longer declared: it is forgotten in time.
      return saga === undefined ? [] : [{ row, saga, flow, verdict: judge(saga, row, flow, now) }];
    });
    const overdue = looks.filter(({ verdict }) => verdict.status === 'overdue');
    const located = new Set(overdue.slice(0, toLocate));
    const left = new Set(overdue.slice(toLocate));
    if (left.size > 0) counts.more = true;
    const waitings = await this.locate([...located]);
    const rows: FlowRow[] = [];
    for (const look of looks) {
      if (left.has(look)) {
        if (look.row.status === 'running') rows.push({ ...rowOf(look.row, look.verdict, [], now), next_look_at: now });
        continue;
      }
      const waiting = waitings.get(look) ?? [];
      const action = stopping.aborted ? undefined : await this.settle(look, waiting, report, counts, stopping);
      const row = rowOf(look.row, look.verdict, waiting, now);
      rows.push(action === undefined ? row : { ...row, action, acted_at: now });
      report.looked(look.row, row);
    }
    const undeclared = due.filter(({ saga }) => !this.sagas.has(saga)).map((row) => ({ ...row, next_look_at: null }));
    await writeFlows(this.options.platform, [...rows, ...undeclared]);
    this.countEnds(rows, counts);
    return located.size;
  }

  private async locate(looks: readonly Look[]): Promise<ReadonlyMap<Look, readonly Waiting[]>> {
    const steps = looks.flatMap(({ verdict }) => (verdict.status === 'ended' ? [] : verdict.waiting));
    const places = new Map((await locateSteps(this.options, steps)).map((where, index) => [steps[index], where]));
    return new Map(
      looks.map((look) => [
        look,
        look.verdict.status === 'ended'
          ? []
          : look.verdict.waiting.map((step) => ({
              step,
              group: groupOf(this.options, step),
              where: places.get(step) ?? { kind: 'unknown' as const, why: 'it was not looked for' },
            })),
      ]),
    );
  }

  /** What was done for the flow; undefined: nothing. Only where nothing is unknown that could still bring the step by itself. */
  private async settle(
    { row, saga, flow }: Look,
    waiting: readonly Waiting[],
    report: FlowReport,
    counts: Counts,
    signal: AbortSignal,
  ): Promise<OverdueStep['action'] | undefined> {
    if (flow === undefined || flow.gaps.length > 0) return undefined;
    let action: OverdueStep['action'] | undefined;
    for (const { step, where } of waiting) {
      const overdue = saga.overdue.find(({ reaction }) => reaction === step.reaction);
      if (overdue === undefined || step.key === undefined || !isGivenUp(where)) continue;
      const settlement = await this.options.settle(step, overdue, signal);
      report.settled(row, step, overdue.action, settlement);
      this.options.metrics.count('millrace_flows_settled_total', { saga: saga.name, action: overdue.action, result: settlement.kind });
      if (settlement.kind !== 'settled') continue;
      counts.settled += 1;
      action = overdue.action;
    }
    return action;
  }

  private load(flowIds: readonly string[], counts: Counts): Promise<ReadonlyMap<string, Flow>> {
    return loadFlows({ ...this.options, onUnread: (domain, error) => this.unread(domain, error, counts) }, flowIds);
  }

  private async unlessUnread<T>(domain: string, counts: Counts, read: () => Promise<T>): Promise<T | undefined> {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof ClassifiedError)) throw error;
      this.unread(domain, error, counts);
      return undefined;
    }
  }

  private unread(domain: string, error: ClassifiedError, counts: Counts): void {
    if (counts.unread.includes(domain)) return;
    counts.unread.push(domain);
    this.options.logger.warn({ domain, 'error.code': error.code }, "the sweep could not read a domain's database", error);
  }

  private failed(error: ClassifiedError, counts: Counts, fields: LogFields, what: string): void {
    counts.failure ??= error;
    this.options.logger.warn({ ...fields, 'error.code': error.code }, what, error);
  }

  private countEnds(rows: readonly FlowRow[], counts: Counts): void {
    for (const { saga, began_at, ended_as, ended_at } of rows) {
      if (ended_at === null || ended_as === null) continue;
      counts.ended += 1;
      this.options.metrics.count('millrace_flows_ended_total', { saga, end: ended_as });
      this.options.metrics.observe('millrace_flow_duration_seconds', { saga }, (Date.parse(ended_at) - Date.parse(began_at)) / 1_000);
    }
  }

  private ownerOf(type: string): DomainDefinition {
    const owner = this.options.pipeline.domains.find(({ events }) => events.some((event) => event.type === type));
    if (owner === undefined) throw new RangeError(`no domain declares ${type}`);
    return owner;
  }
}

interface Counts {
  begun: number;
  ended: number;
  settled: number;
  more: boolean;
  readonly unread: string[];
  failure: ClassifiedError | undefined;
}

/** A flow that is due. */
interface Look {
  readonly row: FlowRow;
  readonly saga: SagaDefinition;
  readonly flow: Flow | undefined;
  readonly verdict: Verdict;
}

/** What it met, unless that is an outage, which meets everything. @throws what is an outage or has no code. */
async function failureOf(work: () => Promise<unknown>): Promise<ClassifiedError | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (!(error instanceof ClassifiedError) || error.disposition === 'outage') throw error;
    return error;
  }
}

function judge(saga: SagaDefinition, { deadline_at }: Begun, flow: Flow | undefined, now: string): Verdict {
  return judgeFlow(saga, flow ?? { id: '', events: [], steps: [], gaps: [] }, { deadlineAt: deadline_at, now });
}
