import { describe, expect, it } from 'vitest';
import type { ClassificationResult } from '../../core/calls.ts';
import { ClassifiedError } from '../../core/errors.ts';
import type { Metrics } from '../../core/metrics.ts';
import { NO_METRICS } from '../../core/metrics.ts';
import { startTrace } from '../../core/trace.ts';
import { ManualClock, settle } from '../../test/support/manual-clock.ts';
import type { CallImplementations } from './call-runner.ts';
import { createCallRunner } from './call-runner.ts';

const trace = startTrace({}, (length) => new Uint8Array(length).fill(1));
const request = { imageUrl: 'https://cdn.example/1', userInput: undefined };
const ANSWER: ClassificationResult = { kind: 'classified', category: 'paper', confidence: 1 };

function runnerOf(classify: CallImplementations['classify'], metrics: Metrics = NO_METRICS) {
  const clock = new ManualClock();
  const runner = createCallRunner({
    implementations: {
      classify,
      notify: async () => ({ kind: 'sent' }),
      answer: async () => ({ kind: 'answered', text: 'yes' }),
      processImage: async () => ({ kind: 'processed' }),
    },
    concurrencyMax: { classify: 2, notify: 2, answer: 2, processImage: 2 },
    clock,
    metrics,
  });
  const run = (signal = new AbortController().signal) =>
    runner.run('classify', request, { idempotencyKey: 'k', trace, signal, timeoutMs: 5_000 });
  return { clock, run };
}

const codeOf = async (call: Promise<unknown>) =>
  call.then(
    () => 'answered',
    (error: unknown) => (error instanceof ClassifiedError ? error.code : `unclassified: ${String(error)}`),
  );

describe('the call runner', () => {
  it('hands over request, key and trace, and gives back the answer', async () => {
    const seen: unknown[] = [];
    const { run } = runnerOf(async (given, { idempotencyKey, trace: { traceId } }) => {
      seen.push(given, idempotencyKey, traceId);
      return ANSWER;
    });
    expect(await run()).toEqual(ANSWER);
    expect(seen).toEqual([request, 'k', trace.traceId]);
  });

  it('gives up a call at its deadline, also one that does not listen', async () => {
    let signal: AbortSignal | undefined;
    const { clock, run } = runnerOf((_request, context) => {
      signal = context.signal;
      return new Promise(() => undefined);
    });
    const code = codeOf(run());
    await clock.advance(4_999);
    expect(signal?.aborted).toBe(false);
    await clock.advance(1);
    expect(await code).toBe('CALL_FAILED');
    expect(signal?.aborted).toBe(true);
  });

  it('gives up a call when its record is taken away, with that reason', async () => {
    const { run } = runnerOf(() => new Promise(() => undefined));
    const away = new AbortController();
    const code = codeOf(run(away.signal));
    await settle();
    away.abort(new ClassifiedError('HANDLER_TIMEOUT', 'taken away'));
    expect(await code).toBe('HANDLER_TIMEOUT');
  });

  it('keeps what an implementation classified and names what it did not', async () => {
    const unavailable = runnerOf(async () => Promise.reject(new ClassifiedError('CALL_UNAVAILABLE', 'away')));
    expect(await codeOf(unavailable.run())).toBe('CALL_UNAVAILABLE');
    const unknown = runnerOf(async () => Promise.reject(new TypeError('x')));
    expect(await codeOf(unknown.run())).toBe('CALL_FAILED');
  });

  it('runs no more calls at once than it may; the others wait in line, and time in line is not time of the call', async () => {
    const ends: (() => void)[] = [];
    const { clock, run } = runnerOf(() => new Promise((resolve) => ends.push(() => resolve(ANSWER))));
    const calls = [run(), run(), run(), run()];
    await clock.advance(4_000);
    expect(ends).toHaveLength(2);
    ends[0]!();
    await settle();
    expect(ends).toHaveLength(3);
    ends[1]!();
    await clock.advance(4_000);
    ends[2]!();
    ends[3]!();
    expect(await Promise.all(calls)).toEqual([ANSWER, ANSWER, ANSWER, ANSWER]);
  });

  it('gives a place back after a failure, and lets who is taken away leave the line', async () => {
    let failing = true;
    const { run } = runnerOf(async () => {
      await settle();
      if (failing) throw new Error('no');
      return ANSWER;
    });
    const away = new AbortController();
    const failed = [run(), run()].map(codeOf);
    const leaving = codeOf(run(away.signal));
    const staying = run();
    away.abort(new ClassifiedError('HANDLER_TIMEOUT', 'taken away'));
    expect(await Promise.all(failed)).toEqual(['CALL_FAILED', 'CALL_FAILED']);
    failing = false;
    expect(await leaving).toBe('HANDLER_TIMEOUT');
    expect(await staying).toEqual(ANSWER);
  });

  it('measures each call by its result', async () => {
    const seen: unknown[] = [];
    const metrics: Metrics = { ...NO_METRICS, observe: (name, labels, value) => seen.push([name, labels, value]) };
    const { clock, run } = runnerOf(() => new Promise((resolve) => void clock.sleep(250).then(() => resolve(ANSWER))), metrics);
    const call = run();
    await clock.advance(250);
    await call;
    expect(seen).toEqual([['millrace_call_duration_seconds', { call: 'classify', result: 'answered' }, 0.25]]);
  });
});
