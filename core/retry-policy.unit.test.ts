import { describe, expect, it } from 'vitest';
import type { RetryDefinition } from './define.ts';
import { defineDomain, defineProcessor } from './define.ts';
import { definePipeline } from './define-pipeline.ts';
import { delayAfterAttemptMs, retryPolicyOf } from './retry-policy.ts';

describe('the waits between attempts', () => {
  it('are those of the processor, drawn out and shortened by its jitter, or else those of the deployment', () => {
    const spread = (retry: RetryDefinition | undefined): (number | undefined)[] =>
      [0, 0.5, 0.999].map((random) => delayAfterAttemptMs(retryPolicyOf(retry, [10_000]), 1, random));
    expect(spread(undefined)).toEqual([8_000, 10_000, 11_996]);
    expect(spread({ jitter: 0 })).toEqual([10_000, 10_000, 10_000]);
    expect(spread({ delaysMs: [1_000], jitter: 1 })).toEqual([0, 1_000, 1_998]);
    expect(delayAfterAttemptMs(retryPolicyOf({ jitter: 0.5 }, [10_000]), 2, 0)).toBeUndefined();
  });

  it.each([
    [{ jitter: 1.1 }, /processor my: retry.jitter is 1.1/],
    [{ jitter: NaN }, /retry.jitter is NaN/],
    [{ delaysMs: [1_000, -1] }, /processor my: retry.delaysMs has -1/],
    [{ delaysMs: [0.5] }, /retry.delaysMs has 0.5/],
  ] as const)('are refused when they are no times: %j', (retry, text) => {
    const processor = defineProcessor({ domain: 'my', reactions: [], retry });
    const domains = [defineDomain({ name: 'my', events: [], aggregates: [], processor, captured: false })];
    expect(() => definePipeline({ domains, projections: [] })).toThrow(text);
  });
});
