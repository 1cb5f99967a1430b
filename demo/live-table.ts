import type { LoadProgress } from './load.ts';
import type { Observation } from './observe.ts';

/** The live table: redrawn in place on a terminal, one line per look elsewhere. */
export class LiveTable {
  private readonly stream: NodeJS.WriteStream;
  private readonly total: number;
  private drawn = 0;

  constructor(stream: NodeJS.WriteStream, total: number) {
    this.stream = stream;
    this.total = total;
  }

  show(elapsedMs: number, load: LoadProgress, seen: Observation): void {
    if (!this.stream.isTTY) {
      const projected = [...seen.projected].map(([name, count]) => `${name}=${count}`).join(' ');
      this.stream.write(
        `${(elapsedMs / 1_000).toFixed(0).padStart(4)} s  accepted=${load.accepted}/${this.total} captured=${seen.captured} processed=${seen.processed} ${projected} parked=${seen.parked} dead-lettered=${seen.deadLettered} lag=${seen.lag}\n`,
      );
      return;
    }
    const rows: (readonly [string, string])[] = [
      ['time', `${(elapsedMs / 1_000).toFixed(1)} s`],
      ['accepted', `${load.accepted} of ${this.total}   repeated ${load.repeated}   refused ${load.refused}   sent again ${load.retries}`],
      ['captured', String(seen.captured)],
      ['processed', String(seen.processed)],
      ...[...seen.projected].sort().map(([name, count]) => [`projected: ${name}`, String(count)] as const),
      ['parked', String(seen.parked)],
      ['dead-lettered', String(seen.deadLettered)],
      ['lag', `${seen.lag} records`],
    ];
    const text = rows.map(([name, value]) => `\x1b[2K  ${name.padEnd(32)} ${value}\n`).join('');
    this.stream.write((this.drawn > 0 ? `\x1b[${this.drawn}A` : '') + text);
    this.drawn = rows.length;
  }
}
