import { setMaxListeners } from 'node:events';
import type { Dependency } from '../../core/dependency.ts';
import { ClassifiedError, classified } from '../../core/errors.ts';
import type { ParkedRecord } from '../../core/parked-records.ts';
import { AttemptDeadlines } from './attempt-deadlines.ts';
import type { AttemptDeps } from './attempt.ts';
import { Balance } from './balance.ts';
import type { BreakerFacts } from './breakers.ts';
import { Breakers } from './breakers.ts';
import { Burial } from './burial.ts';
import type { ConsumerGroupSettings } from './consumer-group-options.ts';
import { KeyLanes } from './key-lanes.ts';
import { LoopNotes } from './loop-notes.ts';
import { Parking } from './parking.ts';
import type { PartitionEpoch } from './partition-epoch.ts';
import { pause } from './pause.ts';
import type { RecordInHand } from './record-in-hand.ts';
import { WaysOut } from './ways-out.ts';

export interface RecordLoopOptions {
  readonly settings: ConsumerGroupSettings;
  /** A record of the partition left by a door. */
  readonly onLeft: (partition: PartitionEpoch) => void;
  /** A breaker opened, for the reason, or closed. */
  readonly onBreaker: (breaker: BreakerFacts, reason: ClassifiedError | undefined) => void;
  /** Intake is to wait, or may go on. */
  readonly onIntake: (shut: boolean) => void;
  /** The error is fatal for the group. */
  readonly onFatal: (error: ClassifiedError) => void;
}

/** What the parts begin: the rest of the way is begun by the way itself. */
interface LoopTurns {
  /** The record is the head of its lane, and a place is free. */
  readonly run: (item: RecordInHand) => void;
  /** The parked record's turn has come. */
  readonly reenter: (parked: ParkedRecord, epoch: PartitionEpoch<RecordInHand>) => void;
  readonly halt: (error: ClassifiedError) => void;
}

export interface LoopParts {
  readonly lanes: KeyLanes<RecordInHand>;
  readonly breakers: Breakers<RecordInHand>;
  readonly burial: Burial;
  readonly parking: Parking;
  readonly balance: Balance;
  readonly attempts: AttemptDeps;
  readonly waysOut: WaysOut;
  readonly notes: LoopNotes;
  /** Nothing sleeps and nothing comes due any more. */
  readonly stop: () => void;
}

/** Makes what the way of a record goes through, and joins it. */
export function loopParts({ settings, onLeft, onBreaker, onIntake }: RecordLoopOptions, turns: LoopTurns): LoopParts {
  const { clock, limits, random } = settings;
  const stopped = new AbortController();
  const sleep = (ms: number): Promise<void> => pause(clock, ms, stopped.signal);
  // As many records as there are may sleep on it at once.
  setMaxListeners(0, stopped.signal);
  const lanes = new KeyLanes<RecordInHand>({
    concurrencyMax: limits.concurrencyMax,
    run: turns.run,
    onDefect: (error) => turns.halt(classified(error, 'UNCLASSIFIED', 'the loop met an error of its own')),
  });
  const breakers = new Breakers<RecordInHand>({
    settings: settings.breaker,
    concurrencyMax: limits.concurrencyMax,
    ...needsOf(settings),
    nowMs: () => clock.monotonicMs(),
    random,
    pause: sleep,
    onSwitch: onBreaker,
    onIntake,
  });
  const burial = new Burial({ ...settings, pause: sleep, onBuried: (item, error) => waysOut.buried(item, error) });
  const parking = new Parking({
    ...settings,
    store: settings.parked,
    policy: settings.giveUp,
    activeMax: limits.concurrencyMax,
    lanesMax: limits.parkedKeysMax,
    handOver: turns.reenter,
    onSettled: (item, outcome) => void waysOut.leave(item, outcome),
    onRefused: (item, error) => waysOut.refused(item, error),
  });
  const balance = new Balance();
  const notes = new LoopNotes(settings);
  const waysOut = new WaysOut({ clock, lanes, breakers, burial, parking, balance, notes, onLeft });
  const deadlines = new AttemptDeadlines(clock);
  const attempts = { ...settings, deadlines, breakers };
  const stop = (): void => {
    stopped.abort();
    deadlines.stop();
    parking.stop();
  };
  return { lanes, breakers, burial, parking, balance, attempts, waysOut, notes, stop };
}

/** What is known of a record's needs before it runs: whether its event declares a call, and whether its schema has been read. */
function needsOf({ calls, decoder, occasional }: ConsumerGroupSettings): {
  readonly needs: (item: RecordInHand, dependency: Dependency) => boolean;
  readonly isOptional: (dependency: Dependency) => boolean;
} {
  const optional = new Set([...calls.values(), ...occasional]);
  return {
    isOptional: (dependency) => (dependency === 'registry' ? decoder.readsFromMemory !== undefined : optional.has(dependency)),
    needs: (item, dependency) => {
      if (dependency === 'registry') return decoder.readsFromMemory?.(item.record) === false;
      return !(item.envelope instanceof ClassifiedError) && calls.get(item.envelope.type) === dependency;
    },
  };
}
