import { defineConfig } from 'vitest/config';

const exclude = ['node_modules/**', 'dist/**', '.millrace/**'];

/** A tier is a suffix. Tiers that need servers share one stack, started and stopped by the global setup. */
const tier = (name: string, timeoutMs: number, options: { services: boolean; parallel: boolean }) => ({
  extends: true as const,
  test: {
    name,
    include: [`**/*.${name}.test.ts`],
    exclude,
    testTimeout: timeoutMs,
    hookTimeout: Math.max(timeoutMs, 60_000),
    pool: 'forks' as const,
    fileParallelism: options.parallel,
    ...(options.services ? { globalSetup: ['test/support/services.setup.ts'] } : {}),
  },
});

export default defineConfig({
  test: {
    passWithNoTests: false,
    dangerouslyIgnoreUnhandledErrors: false,
    reporters: ['default'],
    projects: [
      tier('unit', 10_000, { services: false, parallel: true }),
      tier('property', 60_000, { services: false, parallel: true }),
      tier('conformance', 60_000, { services: true, parallel: false }),
      tier('int', 60_000, { services: true, parallel: false }),
      tier('fault', 120_000, { services: true, parallel: false }),
      tier('e2e', 600_000, { services: true, parallel: false }),
    ],
  },
});
