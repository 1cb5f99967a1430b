/** Why a breaker opened: an error that says so itself, or too many keys that fail in the same way. */
export type Opening = 'outage' | 'suspicion';

/**
 * - `closed`: everybody passes.
 * - `open`: nobody passes, until the pause is over.
 * - `half-open`: a few try at the same time; when as many have passed, twice as many may, up to a full ramp, which closes.
 */
export type BreakerState =
  | { readonly is: 'closed' }
  | { readonly is: 'open'; readonly because: Opening; /** In a row, this one included. */ readonly failures: number }
  | {
      readonly is: 'half-open';
      readonly because: Opening;
      readonly failures: number;
      /** How many may try at the same time. */
      readonly places: number;
      /** How many have passed since that number was set. */
      readonly passed: number;
    };

/**
 * - `outage`: somebody who does not probe met an outage.
 * - `suspicion`: the share of failing keys is too high.
 * - `pause-over`: it is time to probe.
 * - `passed`, `failed`: what a probe found.
 * - `drained`: nobody waits and nobody probes.
 */
export type BreakerEvent = Opening | 'pause-over' | 'passed' | 'failed' | 'drained';

export const CLOSED: BreakerState = { is: 'closed' };

type Of<Is extends BreakerState['is']> = Extract<BreakerState, { readonly is: Is }>;
type Transitions = {
  readonly [Is in BreakerState['is']]: { readonly [Event in BreakerEvent]?: (state: Of<Is>, rampTo: number) => BreakerState };
};

/** What is not in the table changes nothing. */
const TRANSITIONS: Transitions = {
  closed: {
    outage: () => opened('outage', 1),
    suspicion: () => opened('suspicion', 1),
  },
  open: {
    // What was only suspected is certain now.
    outage: (state) => opened('outage', state.failures),
    'pause-over': ({ because, failures }) => ({ is: 'half-open', because, failures, places: 1, passed: 0 }),
  },
  'half-open': {
    suspicion: (state) => opened('suspicion', state.failures + 1),
    failed: (state) => opened(state.because, state.failures + 1),
    passed: (state, rampTo) => (state.passed + 1 < state.places ? { ...state, passed: state.passed + 1 } : widened(state, rampTo)),
    drained: (state) => (hasPassed(state) ? CLOSED : state),
  },
};

/** Pure. `rampTo`: as many at the same time are no trial any more. */
export function nextBreakerState(state: BreakerState, event: BreakerEvent, rampTo: number): BreakerState {
  const row: { readonly [Event in BreakerEvent]?: (state: never, rampTo: number) => BreakerState } = TRANSITIONS[state.is];
  return row[event]?.(state as never, rampTo) ?? state;
}

/** Whether somebody has passed since the breaker opened. */
export function hasPassed(state: BreakerState): boolean {
  return state.is === 'closed' || (state.is === 'half-open' && (state.places > 1 || state.passed > 0));
}

function opened(because: Opening, failures: number): BreakerState {
  return { is: 'open', because, failures };
}

function widened(state: Of<'half-open'>, rampTo: number): BreakerState {
  const places = state.places * 2;
  return places > rampTo ? CLOSED : { ...state, places, passed: 0 };
}
