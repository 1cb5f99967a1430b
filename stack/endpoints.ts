import type { Part } from './parts.ts';

/** Where the servers answer. The address of a part that was not asked for is the one it would have. */
export interface StackEndpoints {
  /** A superuser's URL without a database: `postgres://user:password@host:port`. */
  readonly postgresUrl: string;
  /** `host:port`, several separated by commas. */
  readonly kafkaBrokers: string;
  /** The base of the Confluent API, without a slash at the end. */
  readonly registryUrl: string;
  readonly redisUrl: string;
  readonly elasticsearchUrl: string;
  /** Kafka Connect's REST interface; there when `debezium` was asked for or given. */
  readonly connectUrl?: string;
  /** `host:port` of PostgreSQL as Kafka Connect sees it, when that differs from `postgresUrl` (containers). */
  readonly connectPostgresAddress?: string;
  /** How a connector names PostgreSQL's password, which that Kafka Connect resolves itself: `${file:...}` or `${env:...}`. */
  readonly connectPasswordReference?: string;
}

/** Addresses of servers that run already; such a part is checked and never started or stopped. */
export type GivenEndpoints = Partial<Record<Part, string>>;

/** The variable that gives the address of a part. */
export const ADDRESS_VARIABLE: Readonly<Record<Part, string>> = {
  postgres: 'POSTGRES_URL',
  kafka: 'KAFKA_BROKERS',
  registry: 'SCHEMA_REGISTRY_URL',
  redis: 'REDIS_URL',
  elasticsearch: 'ELASTICSEARCH_URL',
  debezium: 'KAFKA_CONNECT_URL',
};

/** Of a Kafka Connect that is given by its address: nobody but its owner knows which provider it has. */
export const PASSWORD_REFERENCE_VARIABLE = 'KAFKA_CONNECT_POSTGRES_PASSWORD_REFERENCE';

export function endpointsFrom(
  addresses: Readonly<Record<Part, string>>,
  connect: Pick<StackEndpoints, 'connectPostgresAddress' | 'connectPasswordReference'> | undefined,
): StackEndpoints {
  return {
    postgresUrl: addresses.postgres,
    kafkaBrokers: addresses.kafka,
    registryUrl: addresses.registry,
    redisUrl: addresses.redis,
    elasticsearchUrl: addresses.elasticsearch,
    ...(connect === undefined ? {} : { connectUrl: addresses.debezium, ...connect }),
  };
}

/** The parts whose address the environment holds; an empty value counts as absent. */
export function givenByEnvironment(environment: NodeJS.ProcessEnv, prefix = ''): GivenEndpoints {
  const given: GivenEndpoints = {};
  for (const [part, variable] of Object.entries(ADDRESS_VARIABLE) as [Part, string][]) {
    const value = environment[prefix + variable]?.trim();
    if (value !== undefined && value !== '') given[part] = value.replace(/\/+$/, '');
  }
  return given;
}

/** The same address without its password, for a terminal or a log. */
export function withoutPassword(address: string): string {
  return address.replace(/(:\/\/[^:/@]*):[^@]*@/, '$1:***@');
}
