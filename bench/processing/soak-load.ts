import { setTimeout as sleep } from 'node:timers/promises';
import type { Producer } from '../../core/broker.ts';
import { recordOf } from './handler-topic.ts';

const TICK_MS = 20;
const ONE_IN = 100;

/** One event in a hundred, by the number in its id. */
export function isPoison(id: string): boolean {
  return Number.parseInt(id.slice(-12), 16) % ONE_IN === 0;
}

/** How many of the first events are poison. */
export function poisonAmong(records: number): number {
  return Math.ceil(records / ONE_IN);
}

/** Writes records at a rate for a time, and resolves with their number when all are acknowledged. */
export async function writeEvenly(
  producer: Pick<Producer, 'send'>,
  { topic, keys, perSecond, seconds, signal }: { topic: string; keys: number; perSecond: number; seconds: number; signal: AbortSignal },
): Promise<number> {
  const began = performance.now();
  const total = perSecond * seconds;
  let written = 0;
  while (written < total) {
    const due = Math.min(total, Math.floor(((performance.now() - began) * perSecond) / 1_000));
    if (due > written) {
      const from = written;
      await producer.send(await Promise.all(Array.from({ length: due - from }, (_, index) => recordOf(topic, from + index, keys))));
      written = due;
    }
    await sleep(TICK_MS, undefined, { signal });
  }
  return written;
}
