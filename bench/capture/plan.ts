/** How much is measured. */
export interface Plan {
  readonly runs: number;
  /** Rows of the catch-up in one-row transactions, in 1,000-row transactions, and of the one large transaction. */
  readonly catchUpRows: number;
  readonly largeRows: number;
  /** Rows of the tables that are measured beside it. */
  readonly framedRows: number;
  /** A new Connect worker is cold for these rows, and warm when it has seen them three times. */
  readonly warmUpRows: number;
  /** Rows that a capture has passed at the higher rate before its latency is measured. */
  readonly steadyWarmUpRows: number;
  readonly steadySeconds: number;
  readonly steadyRates: readonly (500 | 5_000)[];
  /** Tried in this order until one is too much. */
  readonly risingRates: readonly number[];
  readonly risingSeconds: number;
  readonly stallSeconds: number;
  readonly stallRate: number;
}

export const STEADY_RATES = [500, 5_000] as const;

export const FULL_PLAN: Plan = {
  runs: 3,
  catchUpRows: 1_000_000,
  largeRows: 1_000_000,
  framedRows: 300_000,
  warmUpRows: 200_000,
  steadyWarmUpRows: 25_000,
  steadySeconds: 15,
  steadyRates: STEADY_RATES,
  risingRates: [6_000, 8_000, 10_000, 12_500, 15_000, 17_500, 20_000, 22_500, 25_000, 30_000, 35_000, 40_000],
  risingSeconds: 4,
  stallSeconds: 60,
  stallRate: 5_000,
};

/** Small and fast: shows that everything works, and the order of magnitude. */
export const QUICK_PLAN: Plan = {
  runs: 1,
  catchUpRows: 60_000,
  largeRows: 60_000,
  framedRows: 30_000,
  warmUpRows: 60_000,
  steadyWarmUpRows: 2_000,
  steadySeconds: 4,
  steadyRates: STEADY_RATES,
  risingRates: [6_000, 12_500, 20_000],
  risingSeconds: 2,
  stallSeconds: 5,
  stallRate: 5_000,
};
