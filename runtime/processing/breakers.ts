import type { Dependency } from '../../core/dependency.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { HandlerResult } from '../../core/outcome.ts';
import type { BreakerSettings } from './dependency-breaker.ts';
import { DependencyBreaker } from './dependency-breaker.ts';
import type { LaneVerdict } from './key-lanes.ts';

/** What the breakers must know of a record in hand. */
interface Held {
  readonly lane: string;
  /** Names the record, also when it comes again. */
  readonly id: string;
  /** What its attempt waits for, or waited for last. */
  awaiting: Dependency | undefined;
  /** Its failure may be a dependency's fault: it waits for the verdict. */
  suspected: ClassifiedError | undefined;
  /** What was taken for an outage and is its own failure. */
  blamedFor: ClassifiedError | undefined;
}

interface BreakersOptions<T> {
  readonly settings: BreakerSettings;
  /** Records that run at the same time when all is well. */
  readonly concurrencyMax: number;
  /** Whether the item's handling can come to need the dependency, as far as that is known before it runs. */
  readonly needs: (item: T, dependency: Dependency) => boolean;
  /** Only some records need it: while it is away the others go on, and intake with them. */
  readonly isOptional: (dependency: Dependency) => boolean;
  readonly nowMs: () => number;
  readonly random: () => number;
  readonly pause: (ms: number) => Promise<void>;
  /** A breaker opened (with the reason) or closed. */
  readonly onSwitch: (breaker: BreakerFacts, reason: ClassifiedError | undefined) => void;
  /** Called with every change of whether intake is to wait. */
  readonly onIntake: (shut: boolean) => void;
}

export interface BreakerFacts {
  readonly dependency: Dependency;
  readonly state: 'closed' | 'open' | 'half-open';
  /** Only some of the group's records need it. */
  readonly optional: boolean;
}

/**
 * Separates outages from poison, per dependency. A record that meets an unavailable dependency opens its breaker; one that fails
 * in a way which may be the dependency's fault or its own opens it when too many keys do so. Who needs the dependency waits,
 * without using up an attempt, while one after another tries, with growing, jittered pauses, for as long as it takes. A record
 * that keeps meeting an outage of what answers others between its tries is to blame for it itself.
 */
export class Breakers<T extends Held> {
  private readonly options: BreakersOptions<T>;
  private readonly all = new Map<Dependency, DependencyBreaker<T>>();
  /** Those that are not closed: none, nearly always. */
  private readonly troubled = new Map<Dependency, DependencyBreaker<T>>();
  private shut = false;

  constructor(options: BreakersOptions<T>) {
    this.options = options;
  }

  /** Set when records wait for a dependency: the error of the one that holds up most. */
  get waitsFor(): (BreakerFacts & { readonly reason: ClassifiedError }) | undefined {
    const holding = [...this.troubled.values()].filter(({ holdsBack, reason }) => holdsBack && reason !== undefined);
    const first = holding.find(({ dependency }) => !this.options.isOptional(dependency)) ?? holding[0];
    return first?.reason === undefined ? undefined : { ...this.factsOf(first), reason: first.reason };
  }

  get waiting(): number {
    let waiting = 0;
    for (const breaker of this.troubled.values()) waiting += breaker.waiting;
    return waiting;
  }

  facts(): BreakerFacts[] {
    return [...this.all.values()].map((breaker) => this.factsOf(breaker));
  }

  /** Before an attempt: when the item may not begin, how long it waits. */
  hold(item: T): LaneVerdict | undefined {
    if (this.troubled.size === 0) return undefined;
    const concerned = [...this.troubled.values()].filter(({ dependency }) => this.concerns(item, dependency));
    const full = concerned.find((breaker) => !breaker.hasPlace(item));
    if (full === undefined) {
      for (const breaker of concerned) breaker.take(item);
      return undefined;
    }
    const hasTried = item.suspected !== undefined;
    item.suspected = undefined;
    for (const breaker of concerned) if (breaker !== full) breaker.release(item);
    return { kind: 'again', after: full.wait(item, hasTried) };
  }

  /** The item tries out a dependency: a failure of that is not counted. */
  isTrying(item: T): boolean {
    for (const breaker of this.troubled.values()) if (breaker.isTrying(item)) return true;
    return false;
  }

  /** The dependency failed for the item while it answered others: what it shares with others there is to be its alone. */
  isolates(item: T, dependency: Dependency): boolean {
    return this.all.get(dependency)?.hasBeenAlone(item) === true;
  }

  /** The error; or, when it is an outage that is due to the item itself, what counts in its place. */
  blame(item: T, error: ClassifiedError): ClassifiedError {
    if (error.disposition !== 'outage' || !this.of(error.dependency ?? 'service').blames(item, error, this.options.nowMs())) return error;
    item.blamedFor = itsOwn(error);
    return item.blamedFor;
  }

  /** What the item waited for has answered it. */
  answered(item: T, dependency: Dependency): void {
    this.of(dependency).answered(item, this.options.nowMs());
  }

  /**
   * After an attempt: when its failure is none of the record's, or may not be, how long it waits for its next or for the verdict.
   * The item keeps its places until it is released.
   */
  judge(item: T, result: HandlerResult): LaneVerdict | undefined {
    const { awaiting } = item;
    if (result.kind !== 'failed') {
      if (isUntouched(result)) return undefined;
      if (awaiting !== undefined) this.answered(item, awaiting);
      // It got through: so it did whatever it stood in line for, if it came to that.
      for (const breaker of this.troubled.values()) if (breaker.isProbe(item)) breaker.passed(item, this.options.nowMs());
      return undefined;
    }
    const { error } = result;
    // The policy of the doors sees to it, and asks `outage`.
    if (error.disposition === 'outage') return undefined;
    const verdict = this.verdictOn(item, error);
    if (verdict === 'record') return undefined;
    if (verdict === 'dependency') return this.waitAgain(item, error);
    this.release(item);
    item.suspected = error;
    return { kind: 'again', after: this.of(error.dependency ?? 'service').suspect(item) };
  }

  /** The item met an outage: its dependency's breaker opens, unless it is open already. */
  outage(item: T, error: ClassifiedError): LaneVerdict {
    this.of(error.dependency ?? 'service').outage(item, error, this.options.nowMs());
    return this.waitAgain(item, error);
  }

  /** The item is given back, leaves, or waits for something else: what it stood for is free. */
  release(item: T): void {
    for (const breaker of this.troubled.values()) breaker.release(item);
  }

  private verdictOn(item: T, error: ClassifiedError): 'dependency' | 'record' | 'unclear' {
    const { dependency } = error;
    if (dependency === undefined || item.blamedFor === error) return 'record';
    // A verdict that was waited for is not asked for again.
    if (error.mayBeOutage) return item.suspected === error ? 'record' : this.of(dependency).judge(item, error, this.options.nowMs());
    this.answered(item, dependency);
    return 'record';
  }

  private waitAgain(item: T, error: ClassifiedError): LaneVerdict {
    const breaker = this.of(error.dependency ?? 'service');
    for (const other of this.troubled.values()) if (other !== breaker) other.release(item);
    return { kind: 'again', after: breaker.wait(item, true) };
  }

  private concerns(item: T, dependency: Dependency): boolean {
    return !this.options.isOptional(dependency) || this.options.needs(item, dependency);
  }

  private of(dependency: Dependency): DependencyBreaker<T> {
    const known = this.all.get(dependency);
    if (known !== undefined) return known;
    const { settings, concurrencyMax, random, pause } = this.options;
    const breaker: DependencyBreaker<T> = new DependencyBreaker<T>({
      dependency,
      settings,
      rampTo: concurrencyMax,
      random,
      pause,
      onChange: () => {
        this.changed(breaker);
      },
    });
    this.all.set(dependency, breaker);
    return breaker;
  }

  private changed(breaker: DependencyBreaker<T>): void {
    const before = this.troubled.get(breaker.dependency);
    if (breaker.state.is === 'closed') this.troubled.delete(breaker.dependency);
    else this.troubled.set(breaker.dependency, breaker);
    if ((before === undefined) !== (breaker.state.is === 'closed')) this.options.onSwitch(this.factsOf(breaker), breaker.reason);
    const shut = [...this.troubled.values()].some(({ shutsIntake, dependency }) => shutsIntake && !this.options.isOptional(dependency));
    if (shut === this.shut) return;
    this.shut = shut;
    this.options.onIntake(shut);
  }

  private factsOf(breaker: DependencyBreaker<T>): BreakerFacts {
    const { dependency, state } = breaker;
    return { dependency, state: state.is, optional: this.options.isOptional(dependency) };
  }
}

function itsOwn(error: ClassifiedError): ClassifiedError {
  const code = error.code === 'CALL_UNAVAILABLE' || error.code === 'CALL_NOT_FOUND' ? 'CALL_FAILED' : 'HANDLER_FAILED';
  const message = `${error.message} (${error.code}, ${error.mayBeRecord ? '' : 'each time '}for this record while others were answered)`;
  return new ClassifiedError(code, message, { cause: error, dependency: error.dependency });
}

/** The handler looked at the event and touched nothing. */
function isUntouched(result: HandlerResult): boolean {
  return result.kind === 'skipped' && result.reason === 'not-wanted';
}
