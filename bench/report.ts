import type { Figure, FigureTable, Unit } from './figures.ts';
import type { Machine } from './machine.ts';
import type { Hotspots } from './profile.ts';
import type { BenchResult } from './result.ts';

export interface ReportLayout<Id extends string, V extends string> extends FigureTable<Id, V> {
  /** The variants that stand side by side, of two with their ratio; the others have no counterpart and follow apart. */
  readonly columns: readonly V[];
  /** Whose CPU time the profiles show: `The relay's`. */
  readonly profileOf: string;
}

/** The result as Markdown that also reads well on a terminal: machine, aims, figures, what could not be measured, and where the CPU time goes. */
export function report<Id extends string, V extends string>(
  result: BenchResult<Id, V>,
  layout: ReportLayout<Id, V>,
  { hotspots = [], failures = [] }: { readonly hotspots?: readonly Hotspots[]; readonly failures?: readonly string[] } = {},
): string {
  return [
    machineLine(result.machine),
    `Medians of ${result.runs} ${result.runs === 1 ? 'run' : 'runs'}, the lowest and the highest in brackets.`,
    '',
    ...(result.ratios.length === 0 ? [] : [aimTable(result, layout), '']),
    figureTable(result.figures, layout),
    ...besideTable(result.figures, layout),
    ...(failures.length === 0 ? [] : ['', ...failures.map((failure) => `Not measured: ${failure}`)]),
    ...hotspots.flatMap((each) => hotspotList(each, layout.profileOf)),
  ].join('\n');
}

function machineLine(machine: Machine): string {
  return `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.system}, Node ${machine.node.slice(1)}; load average at the start ${machine.loadAtStart}.`;
}

function aimTable<Id extends string, V extends string>({ ratios }: BenchResult<Id, V>, { rows }: ReportLayout<Id, V>): string {
  const shown = ratios.map(({ aim, figure, over, value, bound, met }) => {
    const show = (amount: number): string => (over === undefined ? amountText(amount, rows[figure as Id].unit) : `${short(amount)}×`);
    const wanted = 'atLeast' in bound ? `≥ ${show(bound.atLeast)}` : `≤ ${show(bound.atMost)}`;
    return [aim, wanted, show(value), met ? 'met' : 'MISSED'];
  });
  return table(['aim', 'wanted', 'measured', ''], shown);
}

function figureTable<Id extends string, V extends string>(
  figures: readonly Figure<Id, V>[],
  { rows, columns }: ReportLayout<Id, V>,
): string {
  const used = columns.filter((column) => figures.some(({ variant }) => variant === column));
  const shown = (Object.keys(rows) as Id[]).filter((id) => figures.some(({ figure, variant }) => figure === id && used.includes(variant)));
  const withRatio = columns.length === 2;
  const lines = shown.map((id) => {
    const found = (withRatio ? columns : used).map((variant) => figures.find((each) => each.figure === id && each.variant === variant));
    const cells = found.map((figure) => (figure === undefined ? '' : spread(figure)));
    return [rows[id].title, ...cells, ...(withRatio ? [ratioOf(found)] : [])];
  });
  return table(withRatio ? ['figure', ...columns, 'ratio'] : ['figure', ...used], lines);
}

/** The other variants, which have no counterpart to be divided by. */
function besideTable<Id extends string, V extends string>(
  figures: readonly Figure<Id, V>[],
  { rows, columns }: ReportLayout<Id, V>,
): string[] {
  const beside = figures.filter(({ variant }) => !columns.includes(variant));
  if (beside.length === 0) return [];
  return [
    '',
    table(
      ['beside it', 'figure', 'measured'],
      beside.map((figure) => [figure.variant, rows[figure.figure].title, spread(figure)]),
    ),
  ];
}

function hotspotList({ measurement, functions }: Hotspots, profileOf: string): string[] {
  return [
    '',
    `${profileOf} CPU time by function, without what each calls (${measurement}, a run of its own):`,
    '',
    '```',
    ...functions,
    '```',
  ];
}

function ratioOf([own, other]: readonly (Figure | undefined)[]): string {
  return own === undefined || other === undefined || other.median === 0 ? '' : `${short(own.median / other.median)}×`;
}

function spread({ median, min, max, unit, values }: Figure): string {
  const middle = amountText(median, unit);
  return values.length === 1 ? middle : `${middle} (${plain(min)}–${plain(max)})`;
}

function amountText(amount: number, unit: Unit): string {
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
