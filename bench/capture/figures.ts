import { FigureBook, type FigureRow } from '../figures.ts';
import type { ReportLayout } from '../report.ts';

/** Who is measured. Those after `debezium` are context: what is compared is `millrace` (JSON) with `debezium` (warm, tuned). */
export const VARIANTS = ['millrace', 'debezium', 'millrace-avro', 'millrace-bytea', 'debezium-cold', 'debezium-defaults'] as const;

export type Variant = (typeof VARIANTS)[number];

export type Side = 'millrace' | 'debezium';

export const SIDES: readonly Side[] = ['millrace', 'debezium'];

/** Every figure that the benchmark can produce, in the order in which it is shown. */
export const FIGURES = {
  'one-row.rate': { title: 'catch-up, one-row transactions', unit: 'rows/s' },
  'one-row.cpu': { title: 'catch-up, one-row transactions: CPU of the capture per event', unit: 'µs' },
  'one-row.capture': { title: 'catch-up, one-row transactions: CPU of the capture, of one core', unit: '%' },
  'one-row.walsender': { title: 'catch-up, one-row transactions: CPU of the walsender, of its core', unit: '%' },
  'one-row.broker': { title: 'catch-up, one-row transactions: CPU of the broker per event', unit: 'µs' },
  'one-row.rss': { title: 'catch-up, one-row transactions: peak memory', unit: 'MB' },
  'bulk.rate': { title: 'catch-up, 1,000-row transactions', unit: 'rows/s' },
  'bulk.cpu': { title: 'catch-up, 1,000-row transactions: CPU of the capture per event', unit: 'µs' },
  'bulk.capture': { title: 'catch-up, 1,000-row transactions: CPU of the capture, of one core', unit: '%' },
  'bulk.walsender': { title: 'catch-up, 1,000-row transactions: CPU of the walsender, of its core', unit: '%' },
  'bulk.broker': { title: 'catch-up, 1,000-row transactions: CPU of the broker per event', unit: 'µs' },
  'bulk.rss': { title: 'catch-up, 1,000-row transactions: peak memory', unit: 'MB' },
  'large.rate': { title: 'catch-up, one transaction of all rows', unit: 'rows/s' },
  'large.rss': { title: 'catch-up, one transaction of all rows: peak memory', unit: 'MB' },
  'steady-500.p50': { title: '500 rows/s: commit to append in Kafka, p50', unit: 'ms' },
  'steady-500.p99': { title: '500 rows/s: commit to append in Kafka, p99', unit: 'ms' },
  'steady-500.p999': { title: '500 rows/s: commit to append in Kafka, p99.9', unit: 'ms' },
  'steady-500.consumer-p50': { title: '500 rows/s: commit to consumer, p50', unit: 'ms' },
  'steady-500.consumer-p99': { title: '500 rows/s: commit to consumer, p99', unit: 'ms' },
  'steady-500.consumer-p999': { title: '500 rows/s: commit to consumer, p99.9', unit: 'ms' },
  'steady-500.cpu': { title: '500 rows/s: CPU of the capture per event', unit: 'µs' },
  'steady-5000.p50': { title: '5,000 rows/s: commit to append in Kafka, p50', unit: 'ms' },
  'steady-5000.p99': { title: '5,000 rows/s: commit to append in Kafka, p99', unit: 'ms' },
  'steady-5000.p999': { title: '5,000 rows/s: commit to append in Kafka, p99.9', unit: 'ms' },
  'steady-5000.consumer-p50': { title: '5,000 rows/s: commit to consumer, p50', unit: 'ms' },
  'steady-5000.consumer-p99': { title: '5,000 rows/s: commit to consumer, p99', unit: 'ms' },
  'steady-5000.consumer-p999': { title: '5,000 rows/s: commit to consumer, p99.9', unit: 'ms' },
  'steady-5000.cpu': { title: '5,000 rows/s: CPU of the capture per event', unit: 'µs' },
  'highest.rate': { title: 'highest sustained rate', unit: 'rows/s' },
  'highest.p50': { title: 'highest sustained rate: commit to append in Kafka, p50', unit: 'ms' },
  'highest.p99': { title: 'highest sustained rate: commit to append in Kafka, p99', unit: 'ms' },
  'highest.p999': { title: 'highest sustained rate: commit to append in Kafka, p99.9', unit: 'ms' },
  'stalled.rss': { title: 'broker stalled under load: peak memory', unit: 'MB' },
  'stalled.recovery': { title: 'broker stalled under load: from its return until nothing is left', unit: 'ms' },
  'start.first-event': { title: 'process start to first event in Kafka', unit: 'ms' },
} as const satisfies Record<string, FigureRow>;

export type FigureId = keyof typeof FIGURES;

export type CaptureBook = FigureBook<FigureId, Variant>;

export const CAPTURE_LAYOUT: ReportLayout<FigureId, Variant> = {
  rows: FIGURES,
  variants: VARIANTS,
  columns: ['millrace', 'debezium'],
  profileOf: "The relay's",
};

export function captureBook(): CaptureBook {
  return new FigureBook(CAPTURE_LAYOUT);
}
