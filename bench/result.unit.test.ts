import { expect, test } from 'vitest';
import { AIMS } from './capture/aims.ts';
import { CAPTURE_LAYOUT, captureBook } from './capture/figures.ts';
import { report } from './report.ts';
import { benchResult } from './result.ts';

const machine = { cpu: 'A CPU', cores: 2, memoryGiB: 24, system: 'linux 6.1 x64', node: 'v20.19.0', loadAtStart: 0.12 };

function measured() {
  const book = captureBook();
  for (const value of [120_000, 124_000, 131_000]) book.add('one-row.rate', 'millrace', value);
  for (const value of [54_000, 62_000, 60_000]) book.add('one-row.rate', 'debezium', value);
  book.add('one-row.rate', 'debezium-cold', 20_600);
  book.add('steady-500.p50', 'millrace', 0.7134);
  book.add('start.first-event', 'millrace', 612.4);
  return benchResult({ name: 'capture', quick: false, machine, runs: 3, book, aims: AIMS });
}

test('the result is one object of name, machine, runs, figures and ratios, and survives JSON', () => {
  const result = measured();
  expect(Object.keys(result)).toEqual(['name', 'machine', 'runs', 'figures', 'ratios']);
  expect(JSON.parse(JSON.stringify(result))).toEqual(result);
  expect(result.figures[0]).toEqual({
    figure: 'one-row.rate',
    variant: 'millrace',
    unit: 'rows/s',
    median: 124_000,
    min: 120_000,
    max: 131_000,
    values: [120_000, 124_000, 131_000],
  });
});

test('a quick result says that it is one', () => {
  expect(benchResult({ name: 'capture', quick: true, machine, runs: 1, book: captureBook(), aims: AIMS }).name).toBe('capture (quick)');
});

test('a measurement that failed cannot be entered as a figure', () => {
  expect(() => captureBook().add('one-row.rate', 'millrace', NaN)).toThrow(RangeError);
});

test('the report shows each aim with what is wanted and measured, both sides with their spread, and what has no counterpart apart', () => {
  const text = report(measured(), CAPTURE_LAYOUT).replaceAll(/ +/g, ' ');
  expect(text).toContain('A CPU, 2 cores, 24 GiB, linux 6.1 x64, Node 20.19.0; load average at the start 0.12.');
  expect(text).toContain('Medians of 3 runs');
  expect(text).toContain('| catch-up in one-row transactions at least 2× Debezium | ≥ 2× | 2.07× | met |');
  expect(text).toContain('| first event within 500 ms of the start | ≤ 500 ms | 612 ms | MISSED |');
  expect(text).toContain('| catch-up, one-row transactions | 124,000 rows/s (120,000–131,000) | 60,000 rows/s (54,000–62,000) | 2.07× |');
  expect(text).toContain('| 500 rows/s: commit to append in Kafka, p50 | 0.71 ms | | |');
  expect(text).toContain('| debezium-cold | catch-up, one-row transactions | 20,600 rows/s |');
});

test('every line of a table is as wide as the others', () => {
  const tables = report(measured(), CAPTURE_LAYOUT)
    .split('\n\n')
    .map((block) => block.split('\n').filter((line) => line.startsWith('|')))
    .filter((lines) => lines.length > 0);
  expect(tables).toHaveLength(3);
  for (const lines of tables) expect(new Set(lines.map((line) => line.length)).size).toBe(1);
});

test('where the time goes is shown as it was measured, apart from the tables', () => {
  const text = report(measured(), CAPTURE_LAYOUT, {
    hotspots: [{ measurement: 'bulk', functions: [' 60.0 %  encode  core/codec.js:10'] }],
  });
  expect(text).toContain("The relay's CPU time by function");
  expect(text).toMatch(/\n```\n 60\.0 % {2}encode {2}core\/codec\.js:10\n```$/);
});

test('what could not be measured stands in the report, with its reason, and takes nothing from the rest', () => {
  const failures = ['stalled: Debezium has failed: the server closed the connection'];
  const text = report(measured(), CAPTURE_LAYOUT, { failures });
  expect(text).toContain('\nNot measured: stalled: Debezium has failed: the server closed the connection');
  expect(text).toContain(report(measured(), CAPTURE_LAYOUT));
});
