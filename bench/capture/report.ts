import type { Judgement } from './aims.ts';
import { FIGURES, VARIANTS, type Figure, type FigureId, type Variant } from './figures.ts';
import type { Machine } from './machine.ts';
import type { Hotspots } from './profiler.ts';
import type { BenchResult } from './result.ts';

/** The result as Markdown that also reads well on a terminal: machine, aims, figures, and where the relay's time goes. */
export function report(result: BenchResult, hotspots: readonly Hotspots[] = []): string {
  return [
    machineLine(result.machine),
    `Medians of ${result.runs} ${result.runs === 1 ? 'run' : 'runs'}, the lowest and the highest in brackets.`,
    '',
    ...(result.ratios.length === 0 ? [] : [aimTable(result.ratios), '']),
    figureTable(result.figures, ['millrace', 'debezium']),
    ...besideTable(result.figures),
    ...hotspots.flatMap(hotspotList),
  ].join('\n');
}

function machineLine(machine: Machine): string {
  return `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.system}, Node ${machine.node.slice(1)}; load average at the start ${machine.loadAtStart}.`;
}

function aimTable(judgements: readonly Judgement[]): string {
  const rows = judgements.map(({ aim, figure, over, value, bound, met }) => {
    const show = (amount: number): string => (over === undefined ? amountText(amount, FIGURES[figure].unit) : `${short(amount)}×`);
    const wanted = 'atLeast' in bound ? `≥ ${show(bound.atLeast)}` : `≤ ${show(bound.atMost)}`;
    return [aim, wanted, show(value), met ? 'met' : 'MISSED'];
  });
  return table(['aim', 'wanted', 'measured', ''], rows);
}

function figureTable(figures: readonly Figure[], variants: readonly Variant[]): string {
  const shown = (Object.keys(FIGURES) as FigureId[]).filter((id) =>
    figures.some(({ figure, variant }) => figure === id && variants.includes(variant)),
  );
  const rows = shown.map((id) => {
    const found = variants.map((variant) => figures.find((each) => each.figure === id && each.variant === variant));
    return [titleOf(id), ...found.map((figure) => (figure === undefined ? '' : spread(figure))), ratioOf(found)];
  });
  return table(['figure', ...variants, 'ratio'], rows);
}

/** The other variants, which have no counterpart to be divided by. */
function besideTable(figures: readonly Figure[]): string[] {
  const beside = figures.filter(({ variant }) => VARIANTS.indexOf(variant) > VARIANTS.indexOf('debezium'));
  if (beside.length === 0) return [];
  return [
    '',
    table(
      ['beside it', 'figure', 'measured'],
      beside.map((figure) => [figure.variant, titleOf(figure.figure), spread(figure)]),
    ),
  ];
}

function hotspotList({ measurement, functions }: Hotspots): string[] {
  return [
    '',
    `The relay's CPU time by function, without what each calls (${measurement}, a run of its own):`,
    '',
    '```',
    ...functions,
    '```',
  ];
}

function titleOf(id: FigureId): string {
  return FIGURES[id].title;
}

function ratioOf([own, other]: readonly (Figure | undefined)[]): string {
  return own === undefined || other === undefined || other.median === 0 ? '' : `${short(own.median / other.median)}×`;
}

function spread({ median, min, max, unit, values }: Figure): string {
  const middle = amountText(median, unit);
  return values.length === 1 ? middle : `${middle} (${plain(min)}–${plain(max)})`;
}

function amountText(amount: number, unit: Figure['unit']): string {
  return `${plain(amount)} ${unit}`;
}

/** Three digits that say something; thousands set apart. */
function plain(amount: number): string {
  return Math.abs(amount) >= 100 ? Math.round(amount).toLocaleString('en-US') : short(amount);
}

function short(amount: number): string {
  return Number(amount.toPrecision(amount >= 1 ? 3 : 2)).toString();
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((_, column) => Math.max(3, ...[head, ...rows].map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${widths.map((width, column) => (cells[column] ?? '').padEnd(width)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}
