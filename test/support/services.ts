import { inject } from 'vitest';

/** The servers of a test run: one stack for all files, set apart by names. */
export interface TestServices {
  /** A superuser's URL without a database: `postgres://user@host:port`. */
  readonly postgresUrl: string;
  readonly kafkaBrokers: string;
  readonly registryUrl: string;
  readonly redisUrl: string;
  readonly elasticsearchUrl: string;
  /** Of the run's stack: parts that few tests need are started there when one of them asks. */
  readonly dataFolder: string;
}

declare module 'vitest' {
  export interface ProvidedContext {
    services: TestServices;
  }
}

export function services(): TestServices {
  return inject('services');
}

/** A namespace of its own for one test file: short, unique in this run and valid as part of every name. */
export function uniqueNamespace(label: string): string {
  return `t${label.replace(/[^a-z0-9]/g, '').slice(0, 8)}${Math.random().toString(36).slice(2, 8)}`;
}
