import type { Aim } from '../aims.ts';
import { FigureBook, type FigureRow } from '../figures.ts';
import type { ReportLayout } from '../report.ts';

/** Checks a second. */
export const RATES = [500, 1_000] as const;

export type Rate = (typeof RATES)[number];

const PARTS = {
  p50: { title: 'request to answer, p50', unit: 'ms' },
  p99: { title: 'request to answer, p99', unit: 'ms' },
  p999: { title: 'request to answer, p99.9', unit: 'ms' },
  'server-mean': { title: "by the API's own clock, mean", unit: 'ms' },
  'server-within': { title: "by the API's own clock, answered within 5 ms", unit: '%' },
  cpu: { title: 'CPU of the API per check', unit: 'µs' },
  wait: { title: 'time in which the API waits for a core', unit: '%' },
  gc: { title: 'time in which the API collects garbage', unit: '%' },
  late: { title: 'how late the load itself is, p99', unit: 'ms' },
} as const satisfies Record<string, FigureRow>;

export type FigureId = `${Rate}.${keyof typeof PARTS}`;

/** Every figure that the benchmark can produce, in the order in which it is shown. */
const FIGURES = Object.fromEntries(
  RATES.flatMap((rate) =>
    Object.entries(PARTS).map(([part, { title, unit }]) => [`${rate}.${part}`, { title: `${rate} checks/s: ${title}`, unit }]),
  ),
) as Record<FigureId, FigureRow>;

export type AuthCheckBook = FigureBook<FigureId, 'millrace'>;

export const AUTH_CHECK_LAYOUT: ReportLayout<FigureId, 'millrace'> = {
  rows: FIGURES,
  variants: ['millrace'],
  columns: ['millrace'],
  profileOf: "The API's",
};

export function authCheckBook(): AuthCheckBook {
  return new FigureBook(AUTH_CHECK_LAYOUT);
}

/** What a check may take: from the specification, at the 99th percentile. */
export const AIMS: readonly Aim<FigureId, 'millrace'>[] = RATES.map((rate) => ({
  figure: `${rate}.p99`,
  variant: 'millrace',
  bound: { atMost: 5 },
  text: `${rate} checks/s: p99 under 5 ms`,
}));
