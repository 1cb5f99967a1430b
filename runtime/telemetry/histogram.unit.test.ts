import fc from 'fast-check';
import { Histogram, Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { QuickHistogram } from './histogram.ts';

const LABELS = ['group', 'topic'];
const OPTIONS = { name: 'work_seconds', help: 'Time of work', buckets: [0.001, 0.25, 1] };

it('is rendered to the letter as that of prom-client, whatever is observed', async () => {
  const label = fc.constantFrom('a', 'b"\\\n', '');
  const observation = fc.record({
    group: label,
    topic: label,
    value: fc.oneof(fc.constantFrom(0, 0.001, 0.25, 1, 2), fc.double({ min: 0, max: 3, noNaN: true })),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(observation, { maxLength: 30 }), fc.integer({ min: 1, max: 2 }), async (observations, labelCount) => {
      const labelNames = LABELS.slice(0, labelCount);
      const [ours, theirs] = [new Registry(), new Registry()];
      const quick = new QuickHistogram({ ...OPTIONS, labelNames });
      quick.register(ours);
      const original = new Histogram({ ...OPTIONS, labelNames, registers: [theirs] });
      for (const registry of [ours, theirs]) registry.setDefaultLabels({ service: 'test' });
      for (const { group, topic, value } of observations) {
        const labels: Record<string, string> = labelCount === 1 ? { group } : { group, topic };
        quick.observe(labels, value);
        original.observe(labels, value);
      }
      expect(await ours.metrics()).toBe(await theirs.metrics());
    }),
  );
});
