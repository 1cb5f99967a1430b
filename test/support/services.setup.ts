import type { TestProject } from 'vitest/node';

/** Provides the servers whose URLs the environment names. */
export default function setup(project: TestProject): void {
  const required = (name: string): string => {
    const value = process.env[name];
    if (value === undefined) throw new Error(`${name} is not set`);
    return value;
  };
  project.provide('services', {
    postgresUrl: required('MILLRACE_TEST_POSTGRES_URL'),
    kafkaBrokers: required('MILLRACE_TEST_KAFKA_BROKERS'),
    registryUrl: required('MILLRACE_TEST_SCHEMA_REGISTRY_URL'),
    redisUrl: required('MILLRACE_TEST_REDIS_URL'),
    elasticsearchUrl: required('MILLRACE_TEST_ELASTICSEARCH_URL'),
  });
}
