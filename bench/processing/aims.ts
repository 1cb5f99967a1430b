import type { Aim as GeneralAim } from '../aims.ts';
import type { FigureId, Variant } from './figures.ts';

type Aim = GeneralAim<FigureId, Variant>;

const own = (figure: FigureId, bound: Aim['bound'], text: string): Aim => ({ figure, variant: 'millrace', bound, text });
const over = (figure: FigureId, variant: Variant, bound: Aim['bound'], text: string): Aim => ({
  ...own(figure, bound, text),
  over: { figure, variant },
});

/** 200 handlers of 5 ms at a time can end 40,000 times a second. */
const CEILING_200 = 40_000;

/** What processing is to reach, in one place. */
export const AIMS: readonly Aim[] = [
  own('handler-200.rate', { atLeast: 0.85 * CEILING_200 }, '200 at a time: at least 85 % of the ceiling'),
  own('handler-1000.rate', { atLeast: 100_000 }, '1,000 at a time: at least 100,000/s'),
  over('handler-1000.rate', 'parallel-consumer', { atLeast: 1.3 }, "1,000 at a time: at least 1.3× Parallel Consumer's rate"),
  over('handler-1000.cpu', 'parallel-consumer', { atMost: 0.5 }, "1,000 at a time: at most half of Parallel Consumer's CPU per record"),
  over('handler-200.rate', 'lanes', { atLeast: 0.7 }, '200 at a time: within 30 % of bare lanes'),
  over('handler-1000.rate', 'lanes', { atLeast: 0.7 }, '1,000 at a time: within 30 % of bare lanes'),
  own('handler-200.violations', { atMost: 0 }, '200 at a time: order kept for every key'),
  own('handler-1000.violations', { atMost: 0 }, '1,000 at a time: order kept for every key'),
  over('step.single', 'pgbench', { atLeast: 0.6 }, "one step a transaction: at least 60 % of pgbench's five statements"),
  own('step.reactions', { atLeast: 10_000 }, 'steps as a group runs them: at least 10,000/s in one process'),
  own('idle.cpu', { atMost: 0.5 }, 'an idle group: under 0.5 % of a core'),
  own('soak.heap-slope', { atMost: 0.5 }, 'memory flat: the heap after collection'),
  own('soak.rss-slope', { atMost: 1 }, 'memory flat: the resident set'),
];
