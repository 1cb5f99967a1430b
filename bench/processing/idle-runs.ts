import { setTimeout as sleep } from 'node:timers/promises';
import { BUSY_NODE_OPTIONS } from '../../runtime/node-options.ts';
import { startProgram } from '../node-program.ts';
import { cpuMs, peakMemoryMb } from '../process-usage.ts';
import type { BenchContext } from './bench-context.ts';
import type { IdleProgramOrder } from './idle-program.ts';

const SETTLE_MS = 3_000;
const PARTITIONS = 6;

/** Groups that wait for work: their process's whole CPU time, its own idling included, shared out among them. */
export async function idleGroups({ namespace, plan, servers, programs, admin, sides, book, say, signal }: BenchContext): Promise<void> {
  if (!sides.includes('millrace')) return;
  const topics = Array.from({ length: plan.idleGroups }, (_, index) => `${namespace}.idle.${index}`);
  await admin.ensureTopics(topics.map((topic) => ({ topic, partitions: PARTITIONS, retentionMs: 86_400_000, replicationFactor: 1 })));
  const order: IdleProgramOrder = { brokers: servers.kafkaBrokers, topics };
  const running = await startProgram({ program: programs.idle, order, nodeOptions: BUSY_NODE_OPTIONS });
  try {
    await running.next();
    await sleep(SETTLE_MS, undefined, { signal });
    const before = { cpu: cpuMs(running.pid), atMs: performance.now() };
    await sleep(plan.idleSeconds * 1_000, undefined, { signal });
    const share = ((cpuMs(running.pid) - before.cpu) / (performance.now() - before.atMs) / plan.idleGroups) * 100;
    const memory = peakMemoryMb(running.pid);
    say(`idle: ${plan.idleGroups} groups in one process, ${share.toFixed(2)} % of a core each, ${Math.round(memory)} MB in all`);
    book.add('idle.cpu', 'millrace', share);
    book.add('idle.rss', 'millrace', memory);
  } finally {
    await running.stop();
  }
}
