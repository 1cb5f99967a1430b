import { FigureBook, type FigureRow } from '../figures.ts';
import type { ReportLayout } from '../report.ts';

/** Who is measured; `lanes` is the yardstick: key lanes alone, without everything that makes them safe. */
export const VARIANTS = ['millrace', 'lanes', 'parallel-consumer', 'each-message', 'pgbench'] as const;

export type Variant = (typeof VARIANTS)[number];

/** Every figure that the benchmark can produce, in the order in which it is shown. */
export const FIGURES = {
  'handler-200.rate': { title: 'handler of 5 ms, 200 at a time', unit: 'records/s' },
  'handler-200.cpu': { title: 'handler of 5 ms, 200 at a time: CPU per 1,000 records', unit: 'ms' },
  'handler-200.rss': { title: 'handler of 5 ms, 200 at a time: peak memory', unit: 'MB' },
  'handler-200.commits': { title: 'handler of 5 ms, 200 at a time: offset commits', unit: 'commits' },
  'handler-200.violations': { title: 'handler of 5 ms, 200 at a time: handled out of their order', unit: 'records' },
  'handler-200.repeats': { title: 'handler of 5 ms, 200 at a time: handled again', unit: 'records' },
  'handler-1000.rate': { title: 'handler of 5 ms, 1,000 at a time', unit: 'records/s' },
  'handler-1000.cpu': { title: 'handler of 5 ms, 1,000 at a time: CPU per 1,000 records', unit: 'ms' },
  'handler-1000.rss': { title: 'handler of 5 ms, 1,000 at a time: peak memory', unit: 'MB' },
  'handler-1000.commits': { title: 'handler of 5 ms, 1,000 at a time: offset commits', unit: 'commits' },
  'handler-1000.violations': { title: 'handler of 5 ms, 1,000 at a time: handled out of their order', unit: 'records' },
  'handler-1000.repeats': { title: 'handler of 5 ms, 1,000 at a time: handled again', unit: 'records' },
  'handler-12.rate': { title: 'handler of 5 ms, one per partition at a time', unit: 'records/s' },
  'handler-12.cpu': { title: 'handler of 5 ms, one per partition at a time: CPU per 1,000 records', unit: 'ms' },
  'handler-12.rss': { title: 'handler of 5 ms, one per partition at a time: peak memory', unit: 'MB' },
  'handler-12.commits': { title: 'handler of 5 ms, one per partition at a time: offset commits', unit: 'commits' },
  'handler-12.violations': { title: 'handler of 5 ms, one per partition at a time: handled out of their order', unit: 'records' },
  'handler-12.repeats': { title: 'handler of 5 ms, one per partition at a time: handled again', unit: 'records' },
  'step.single': { title: 'saga step, one a transaction, 8 connections', unit: 'steps/s' },
  'step.single.cpu': { title: 'saga step, one a transaction: CPU of the process per 1,000 steps', unit: 'ms' },
  'step.reactions': { title: 'saga step, as a group runs them, 200 at a time, 8 connections', unit: 'steps/s' },
  'step.reactions.cpu': { title: 'saga step, as a group runs them: CPU of the process per 1,000 steps', unit: 'ms' },
  'step.statement': { title: 'saga step, one statement a transaction, 8 connections', unit: 'steps/s' },
  'step.hundred-1': { title: 'saga steps, a hundred in one statement, 1 connection', unit: 'steps/s' },
  'step.hundred-8': { title: 'saga steps, a hundred in one statement, 8 connections', unit: 'steps/s' },
  'part.begin': { title: 'one step on one connection: begin', unit: 'µs' },
  'part.inbox': { title: 'one step on one connection: inbox', unit: 'µs' },
  'part.load': { title: 'one step on one connection: load', unit: 'µs' },
  'part.decide': { title: 'one step on one connection: decide', unit: 'µs' },
  'part.event': { title: 'one step on one connection: event', unit: 'µs' },
  'part.outbox': { title: 'one step on one connection: outbox', unit: 'µs' },
  'part.state': { title: 'one step on one connection: state', unit: 'µs' },
  'part.append': { title: 'one step on one connection: event, outbox and state in one statement', unit: 'µs' },
  'part.commit': { title: 'one step on one connection: commit', unit: 'µs' },
  'next.begins.p50': { title: '500 events/s: commit to the begin of the next reaction, p50', unit: 'ms' },
  'next.begins.p99': { title: '500 events/s: commit to the begin of the next reaction, p99', unit: 'ms' },
  'next.done.p50': { title: "500 events/s: commit to the next reaction's commit, p50", unit: 'ms' },
  'next.done.p99': { title: "500 events/s: commit to the next reaction's commit, p99", unit: 'ms' },
  'idle.cpu': { title: 'idle: CPU per group, of one core', unit: '%' },
  'idle.rss': { title: 'idle: memory of the process with all groups', unit: 'MB' },
  'soak.rate': { title: 'soak: rate', unit: 'records/s' },
  'soak.dead-lettered': { title: 'soak: records dead-lettered, of those that always fail', unit: '%' },
  'soak.heap-slope': { title: 'soak: growth of the heap after collection', unit: 'MB/min' },
  'soak.rss-slope': { title: 'soak: growth of the resident set', unit: 'MB/min' },
  'soak.rss': { title: 'soak: peak memory', unit: 'MB' },
} as const satisfies Record<string, FigureRow>;

export type FigureId = keyof typeof FIGURES;

export type ProcessingBook = FigureBook<FigureId, Variant>;

export const PROCESSING_LAYOUT: ReportLayout<FigureId, Variant> = {
  rows: FIGURES,
  variants: VARIANTS,
  columns: VARIANTS,
  profileOf: "The group's",
};

export function processingBook(): ProcessingBook {
  return new FigureBook(PROCESSING_LAYOUT);
}
