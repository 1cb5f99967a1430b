/** The places at which a crash is interesting: beside every await that separates an effect from its record being finished. */
export type FailpointLabel =
  | 'after-intake'
  | 'after-handler'
  /** What waits is asked for, of partitions that have come. */
  | 'before-resume'
  | 'after-resume'
  /** Parked records that are due are read. */
  | 'before-parked-read'
  | 'after-parked-read'
  | 'before-park'
  | 'after-park'
  | 'before-settle'
  | 'after-settle'
  | 'before-dead-letter'
  | 'after-dead-letter'
  | 'before-commit'
  | 'after-commit';

/** Injected by tests that stop, delay or kill at a label. */
export type Failpoint = (label: FailpointLabel) => Promise<void>;

export const NO_FAILPOINT: Failpoint = async () => undefined;
