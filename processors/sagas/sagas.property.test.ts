import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ClassificationResult } from '../../core/calls.ts';
import { pipeline } from '../../pipeline.ts';
import { expectedSteps, judgeFlow } from '../../runtime/flows/flow.ts';
import { InMemoryChoreography } from '../../test/support/in-memory-choreography.ts';
import { registerImage } from '../image/register-image.ts';
import { requestScan } from '../scan/request-scan.ts';
import { REWARDABLE_CATEGORIES } from '../waste-categories.ts';
import { scanToReward } from './scan-to-reward.ts';

const ANSWERS: readonly ClassificationResult[] = [
  ...REWARDABLE_CATEGORIES.slice(0, 3).map((category) => ({ kind: 'classified' as const, category, confidence: 0.9 })),
  { kind: 'classified', category: 'unknown', confidence: 0.9 },
  { kind: 'rejected', reason: 'not_an_image' },
];
const scans = fc.array(fc.record({ user: fc.constantFrom('u1', 'u2'), answer: fc.constantFrom(...ANSWERS), registered: fc.boolean() }), {
  minLength: 1,
  maxLength: 12,
});
const actions = fc.array(
  fc.record({
    what: fc.constantFrom('deliver' as const, 'deliver twice' as const, 'lose' as const, 'replay' as const, 'settle' as const),
    choice: fc.nat(1_000),
  }),
  { minLength: 20, maxLength: 150 },
);
const STEPS = scanToReward.overdue;
const NEVER = { deadlineAt: '2026-01-01T00:00:00.000000Z', now: '2026-12-01T00:00:00.000000Z' };

type Actions = readonly { readonly what: 'deliver' | 'deliver twice' | 'lose' | 'replay' | 'settle'; readonly choice: number }[];
type Scans = readonly { readonly user: string; readonly answer: ClassificationResult; readonly registered: boolean }[];

function play(wanted: Scans, order: Actions): InMemoryChoreography {
  const url = (index: number) => `https://cdn.example/${index}`;
  const world = new InMemoryChoreography(pipeline, (name, request) => {
    if (name === 'processImage') return { kind: 'processed' };
    return name === 'classify' ? wanted[Number((request as { imageUrl: string }).imageUrl.split('/').at(-1))]?.answer : { kind: 'sent' };
  });
  wanted.forEach(({ user: user_id, registered }, index) => {
    const id = `5f0a6a6e-5a57-4a9a-8f39-${index.toString(16).padStart(12, '0')}`;
    if (registered) world.execute(registerImage, { image_id: id, user_id, cdn_url: url(index) });
    else world.execute(requestScan, { scan_id: id, user_id, image_url: url(index), user_input: null });
  });
  for (const { what, choice } of order) {
    if (what === 'settle') world.settle(choice, STEPS, { keep: choice % 2 === 0 });
    else if (what === 'replay') world.replay(choice);
    else if (world.ready === 0) continue;
    else if (what === 'lose') world.lose(choice, STEPS);
    else world.deliver(choice, what === 'deliver twice');
  }
  // From here on nothing is lost any more, and the sweep goes on until nothing is overdue.
  while (world.ready > 0 || world.lost.length > 0) {
    while (world.ready > 0) world.deliver(0, false);
    while (world.lost.length > 0) world.settle(0, STEPS, { keep: false });
  }
  return world;
}

describe('a sweep among lost, repeated and late records, in any order', () => {
  it('leaves no flow without an end, and gives none two', () => {
    fc.assert(
      fc.property(scans, actions, (wanted, order) => {
        const world = play(wanted, order);
        const begun = world.log.filter(({ type }) => scanToReward.begins.includes(type));
        expect(begun).toHaveLength(wanted.length);
        for (const { id } of begun) {
          const events = world.log.filter(({ correlationId }) => correlationId === id);
          const steps = expectedSteps(pipeline, events).map((step) => {
            const isDone = step.key !== undefined && world.isDone(step.domain, step.key);
            const done = { startedAt: undefined, endedAt: step.event.occurredAt, status: 'done', result: null };
            return { ...step, done: isDone ? done : undefined, unread: false };
          });
          const verdict = judgeFlow(scanToReward, { id, events, steps, gaps: [] }, NEVER);
          expect(verdict.status).toBe('ended');
          const outcomes = events.filter(({ type }) => ['CharacterAcquired', 'CharacterAcquireFailed', 'ScanFailed'].includes(type));
          expect(outcomes.length).toBe(verdict.status === 'ended' && verdict.end === 'not_eligible' ? 0 : 1);
          expect(events.filter(({ type }) => type === 'ScanRewardCompensated')).toHaveLength(
            outcomes.filter(({ type }) => type === 'CharacterAcquireFailed').length,
          );
        }
      }),
      { numRuns: 300 },
    );
  });

  it('leaves no scan that waits for its reward', () => {
    fc.assert(
      fc.property(scans, actions, (wanted, order) => {
        const world = play(wanted, order);
        for (const scan of world.rows('scan', 'scan_records')) expect(scan['reward_status']).not.toBe('pending');
        const granted = world.rows('scan', 'scan_records').filter((scan) => scan['reward_status'] === 'granted');
        expect(granted).toHaveLength(world.log.filter(({ type }) => type === 'CharacterAcquired').length);
      }),
      { numRuns: 300 },
    );
  });
});
