import type { Aim as GeneralAim } from '../aims.ts';
import type { FigureId, Variant } from './figures.ts';

type Aim = GeneralAim<FigureId, Variant>;

const overDebezium = (figure: FigureId, bound: Aim['bound'], text: string): Aim => ({
  figure,
  variant: 'millrace',
  over: { figure, variant: 'debezium' },
  bound,
  text,
});

const THIRD = 1 / 3;
const MEMORY_MAX_MB = 150;

/** What the capture is to reach, in one place. */
export const AIMS: readonly Aim[] = [
  overDebezium('one-row.rate', { atLeast: 2 }, 'catch-up in one-row transactions at least 2× Debezium'),
  overDebezium('bulk.rate', { atLeast: 3 }, 'catch-up in bulk at least 3× Debezium'),
  { figure: 'one-row.walsender', variant: 'millrace', bound: { atLeast: 90 }, text: 'one-row transactions: the walsender is the limit' },
  { figure: 'bulk.walsender', variant: 'millrace', bound: { atLeast: 90 }, text: 'bulk: the walsender is the limit' },
  overDebezium('steady-500.p50', { atMost: THIRD }, 'p50 at 500/s at most a third'),
  overDebezium('steady-500.p99', { atMost: THIRD }, 'p99 at 500/s at most a third'),
  overDebezium('steady-5000.p50', { atMost: 0.5 }, 'p50 at 5,000/s at most half'),
  overDebezium('steady-5000.p99', { atMost: 0.5 }, 'p99 at 5,000/s at most half'),
  overDebezium('one-row.cpu', { atMost: 0.2 }, 'CPU per event at most a fifth (one-row transactions)'),
  overDebezium('bulk.cpu', { atMost: 0.2 }, 'CPU per event at most a fifth (bulk)'),
  overDebezium('one-row.rss', { atMost: 0.125 }, 'peak memory at most an eighth (one-row transactions)'),
  overDebezium('bulk.rss', { atMost: 0.125 }, 'peak memory at most an eighth (bulk)'),
  { figure: 'stalled.rss', variant: 'millrace', bound: { atMost: MEMORY_MAX_MB }, text: 'under 150 MB with the broker stalled under load' },
  { figure: 'large.rss', variant: 'millrace', bound: { atMost: MEMORY_MAX_MB }, text: 'under 150 MB with one large transaction' },
  { figure: 'start.first-event', variant: 'millrace', bound: { atMost: 500 }, text: 'first event within 500 ms of the start' },
  {
    figure: 'one-row.rate',
    variant: 'millrace-avro',
    over: { figure: 'one-row.rate', variant: 'debezium' },
    bound: { atLeast: 1 },
    text: "Avro encoded from jsonb at least at Debezium's rate",
  },
];
