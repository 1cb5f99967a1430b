import type { Dependency } from '../../core/dependency.ts';
import type { ClassifiedError } from '../../core/errors.ts';
import { reconnectDelayMs } from '../../core/retry-policy.ts';
import type { BreakerEvent, BreakerState } from './breaker-state.ts';
import { CLOSED, hasPassed, nextBreakerState } from './breaker-state.ts';
import type { FailureWindowLimits } from './failure-window.ts';
import { FailureWindow } from './failure-window.ts';
import { LoneOutages } from './lone-outages.ts';

const FIRST_PAUSE_MS = 100;

export interface BreakerSettings extends FailureWindowLimits {
  /** How long a failure that may be the dependency's waits for the others' word, before it counts as the record's own. */
  readonly suspectWaitMs: number;
  /** The longest pause between two probes. */
  readonly probeMaxMs: number;
}

interface BreakerOptions {
  readonly dependency: Dependency;
  readonly settings: BreakerSettings;
  /** Records that run at the same time when all is well. */
  readonly rampTo: number;
  readonly random: () => number;
  /** Resolves after the time, also when the group stops meanwhile; never rejects. */
  readonly pause: (ms: number) => Promise<void>;
  readonly onChange: () => void;
}

/** What becomes of a failure that may be the record's fault or the dependency's. */
export type Verdict = 'dependency' | 'record' | 'unclear';

/**
 * Stands between the records of a group and one dependency of theirs. Those that have to wait stand in line; when it is time
 * one of them tries, each time another one, those first that have not met the outage: poison in the line cannot keep it
 * closed. What has passed lets twice as many try, so that a dependency that has just come back is not run over.
 */
export class DependencyBreaker<T extends { readonly lane: string; readonly id: string }> {
  readonly dependency: Dependency;
  private readonly options: BreakerOptions;
  private readonly window: FailureWindow;
  private readonly alone = new LoneOutages();
  /** In line, with what lets them go on: who has not tried yet, who has met the outage, and whose failure is not judged yet. */
  private readonly untried = new Map<T, () => void>();
  private readonly tried = new Map<T, () => void>();
  private readonly suspects = new Map<T, () => void>();
  private readonly probes = new Set<T>();
  private current: BreakerState = CLOSED;
  private error: ClassifiedError | undefined;
  private answeredAtMs = Number.NEGATIVE_INFINITY;
  private passedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: BreakerOptions) {
    this.dependency = options.dependency;
    this.options = options;
    this.window = new FailureWindow(options.settings);
  }

  get state(): BreakerState {
    return this.current;
  }

  get waiting(): number {
    return this.untried.size + this.tried.size;
  }

  /** Why it is not closed. */
  get reason(): ClassifiedError | undefined {
    return this.error;
  }

  /** Somebody waits, or would have to. */
  get holdsBack(): boolean {
    return this.current.is === 'open' || this.waiting > 0;
  }

  /** Nothing more needs to come in. While an outage is only suspected, or only one has met it, others may come and prove it wrong. */
  get shutsIntake(): boolean {
    return this.current.is !== 'closed' && this.current.because === 'outage' && this.holdsBack && this.waiting + this.probes.size > 1;
  }

  /** Whether the item may begin now. Whoever is told so and begins says it with `take`. */
  hasPlace(item: T): boolean {
    return this.current.is === 'closed' || this.probes.has(item) || this.freePlaces > 0;
  }

  take(item: T): void {
    if (this.current.is === 'half-open') this.probes.add(item);
  }

  isProbe(item: T): boolean {
    return this.probes.has(item);
  }

  /** The item is the first to try since the breaker opened. */
  isTrying(item: T): boolean {
    return !hasPassed(this.current) && this.probes.has(item);
  }

  /** Resolves when it is the item's turn to try, or the breaker has closed; never rejects. */
  async wait(item: T, hasTried: boolean): Promise<void> {
    await new Promise<void>((resolve) => {
      (hasTried ? this.tried : this.untried).set(item, resolve);
      this.admit();
      this.options.onChange();
    });
  }

  /** The item met an outage, and has to wait. */
  outage(item: T, error: ClassifiedError, nowMs: number): void {
    this.alone.note(item.id, this.answeredAtMs, this.mayTell(item), nowMs);
    if (this.current.is === 'closed' || this.current.because === 'suspicion') this.error = error;
    this.on(this.probes.delete(item) ? 'failed' : 'outage');
  }

  /** The item has met outages that others did not. */
  hasBeenAlone(item: T): boolean {
    return this.alone.hasBeenAlone(item.id);
  }

  /** Whether the outage that the item has just met is of its own making: if so that is noted, and its place is free. */
  blames(item: T, error: ClassifiedError, nowMs: number): boolean {
    const mayTell = this.mayTell(item);
    const othersAreAnswered = error.mayBeRecord && nowMs - this.answeredAtMs < this.options.settings.suspectWaitMs;
    if (!mayTell || !(othersAreAnswered || this.alone.isDueToRecord(item.id, this.answeredAtMs))) return false;
    this.alone.note(item.id, this.answeredAtMs, mayTell, nowMs);
    this.probes.delete(item);
    this.drain();
    return true;
  }

  /** The dependency has answered the item. */
  answered(item: T, nowMs: number): void {
    this.answeredAtMs = nowMs;
    this.alone.forget(item);
    this.passed(item, nowMs);
  }

  /** The item got through, and may have had no question for the dependency: enough to let others try, and no proof against any. */
  passed(item: T, nowMs: number): void {
    this.passedAtMs = nowMs;
    // While nothing fails nothing is remembered: success costs nothing.
    if (this.current.is !== 'closed' || this.window.hasFailures) this.window.note(item.lane, 'passed', nowMs);
    if (this.probes.delete(item)) this.on('passed');
  }

  /** The item failed in a way that may be the dependency's fault. */
  judge(item: T, error: ClassifiedError, nowMs: number): Verdict {
    const isProbe = this.probes.delete(item);
    // Whoever runs without a place began before the breaker opened.
    if (this.current.is !== 'closed' && !isProbe) return 'dependency';
    if (!hasPassed(this.current)) {
      this.on('failed');
      return 'dependency';
    }
    const before = this.window.lastFailureMs(item.lane);
    if (before !== undefined && before < this.passedAtMs) {
      // Others were answered between its failures: it is the record, and says nothing about the dependency any more.
      this.window.note(item.lane, 'known', nowMs);
      this.drain();
      return 'record';
    }
    this.window.note(item.lane, 'failed', nowMs);
    if (this.window.trips) {
      this.error = error;
      this.on('suspicion');
      return 'dependency';
    }
    this.drain();
    return nowMs - this.passedAtMs < this.options.settings.suspectWaitMs ? 'record' : 'unclear';
  }

  /** Resolves when the others have had their say: the breaker has opened, or the time is over. */
  async suspect(item: T): Promise<void> {
    const opened = new Promise<void>((resolve) => this.suspects.set(item, resolve));
    await Promise.race([opened, this.options.pause(this.options.settings.suspectWaitMs)]);
    this.suspects.delete(item);
  }

  /** The item is gone, or has found out nothing: another one takes its place. */
  release(item: T): void {
    this.untried.delete(item);
    this.tried.delete(item);
    this.suspects.delete(item);
    this.probes.delete(item);
    this.drain();
  }

  /** Somebody has passed since it opened last, and the item began after that. */
  private mayTell(item: T): boolean {
    return this.current.is === 'closed' || (this.probes.has(item) && hasPassed(this.current));
  }

  private get freePlaces(): number {
    return this.current.is === 'half-open' ? this.current.places - this.probes.size : 0;
  }

  private on(event: BreakerEvent): void {
    const before = this.current;
    this.current = nextBreakerState(before, event, this.options.rampTo);
    if (before.is === 'closed' && this.current.is === 'closed') return;
    if (before.is !== this.current.is) this.entered(this.current);
    this.drain();
  }

  /** Gives away the places that are free; when nobody wants one, what has passed was enough. */
  private drain(): void {
    this.admit();
    const before = this.current;
    if (this.waiting === 0 && this.probes.size === 0) this.current = nextBreakerState(before, 'drained', this.options.rampTo);
    if (this.current.is !== before.is) this.entered(this.current);
    this.options.onChange();
  }

  private entered(state: BreakerState): void {
    switch (state.is) {
      case 'open':
        this.opened(state.failures);
        return;
      case 'half-open':
        this.window.reset();
        return;
      case 'closed':
        this.error = undefined;
        this.window.reset();
        this.probes.clear();
    }
  }

  private opened(failures: number): void {
    // Those that still run are no probes any more: whatever they find, they wait with the others.
    this.probes.clear();
    for (const goOn of this.suspects.values()) goOn();
    const pauseMs = reconnectDelayMs(failures, this.options.random(), FIRST_PAUSE_MS, this.options.settings.probeMaxMs);
    void this.options.pause(pauseMs).then(() => {
      this.on('pause-over');
    });
  }

  private admit(): void {
    for (const line of [this.untried, this.tried]) {
      for (const [item, goOn] of line) {
        if (!this.hasPlace(item)) return;
        line.delete(item);
        this.take(item);
        goOn();
      }
    }
  }
}
