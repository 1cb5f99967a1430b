import type { Part } from './parts.ts';

export type Step = 'waiting' | 'installing' | 'starting' | 'ready' | 'running already' | 'given' | 'stopping' | 'stopped' | 'failed';

/** A part of the stack has come to a step; `detail` says what it waits for, or why it failed. */
export interface StackEvent {
  readonly part: Part;
  readonly step: Step;
  readonly detail?: string;
}

export interface Progress {
  readonly report: (event: StackEvent) => void;
  /** Ends the live lines; the last state of each part stays on the screen. */
  close(): void;
}

/** One live line per part on a terminal, one plain line per step elsewhere. */
export function progressOn(stream: NodeJS.WriteStream): Progress {
  return stream.isTTY ? liveProgress(stream) : plainProgress(stream);
}

function plainProgress(stream: NodeJS.WritableStream): Progress {
  const started = Date.now();
  return {
    report: (event) => void stream.write(`${describe(event)} (${seconds(started)})\n`),
    close: () => undefined,
  };
}

interface Line {
  readonly event: StackEvent;
  readonly since: number;
}

function liveProgress(stream: NodeJS.WriteStream): Progress {
  const lines = new Map<Part, Line>();
  let drawn = 0;
  const draw = () => {
    const text = [...lines.values()].map((line) => `\x1b[2K${fit(describeLine(line), stream.columns)}\n`).join('');
    stream.write((drawn > 0 ? `\x1b[${drawn}A` : '') + text);
    drawn = lines.size;
  };
  const clock = setInterval(draw, 500);
  clock.unref();
  return {
    report: (event) => {
      lines.set(event.part, { event, since: Date.now() });
      draw();
    },
    close: () => clearInterval(clock),
  };
}

const STILL: ReadonlySet<Step> = new Set<Step>(['ready', 'running already', 'given', 'stopped', 'failed']);

function describeLine({ event, since }: Line): string {
  return STILL.has(event.step) ? describe(event) : `${describe(event)} (${seconds(since)})`;
}

function describe({ part, step, detail }: StackEvent): string {
  return `${part.padEnd(13)} ${step}${detail === undefined ? '' : `: ${detail}`}`;
}

function fit(text: string, columns: number): string {
  return columns > 1 && text.length >= columns ? `${text.slice(0, columns - 2)}…` : text;
}

function seconds(since: number): string {
  return `${((Date.now() - since) / 1_000).toFixed(1)} s`;
}
