/** How much is measured. */
export interface Plan {
  readonly runs: number;
  /** Records of the handler's topic; each pass reads all of them, after a pass over the first `warmUpRecords`. */
  readonly records: number;
  readonly warmUpRecords: number;
  readonly keys: number;
  /** Of plain `eachMessage`, which would need minutes for all. */
  readonly slowRecords: number;
  readonly stepSeconds: number;
  readonly nextSeconds: number;
  readonly idleGroups: number;
  readonly idleSeconds: number;
  readonly soakSeconds: number;
  readonly soakRate: number;
}

export const FULL_PLAN: Plan = {
  runs: 3,
  records: 100_000,
  warmUpRecords: 100_000,
  keys: 10_000,
  slowRecords: 10_000,
  stepSeconds: 10,
  nextSeconds: 15,
  idleGroups: 8,
  idleSeconds: 60,
  soakSeconds: 600,
  soakRate: 2_000,
};

/** Small and fast: shows that everything works, and the order of magnitude. */
export const QUICK_PLAN: Plan = {
  runs: 1,
  records: 60_000,
  warmUpRecords: 30_000,
  keys: 10_000,
  slowRecords: 2_000,
  stepSeconds: 3,
  nextSeconds: 4,
  idleGroups: 8,
  idleSeconds: 10,
  soakSeconds: 20,
  soakRate: 2_000,
};
