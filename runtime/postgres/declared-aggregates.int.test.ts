import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import type { AggregateDefinition, DomainDefinition, NewEvent, StoredEvent } from '../../core/define.ts';
import { SILENT_LOGGER } from '../../core/log.ts';
import { pipeline } from '../../pipeline.ts';
import { CATALOGUE } from '../../schemas/catalogue.ts';
import { SCHEMAS } from '../../schemas/generated/events.ts';
import type { EventSchemas } from '../../schemas/avro-schema.ts';
import { createPayloadValidator } from '../../schemas/validator.ts';
import { payloadOf } from '../../test/support/avro-arbitrary.ts';
import { aCause } from '../../test/support/bank.ts';
import { temporaryDatabases } from '../../test/support/temporary-databases.ts';
import { stateAt } from './aggregate-loader.ts';
import type { Database } from './database.ts';
import { createDatabase } from './database.ts';
import { migrateDomain } from './migrate.ts';
import type { PostgresUnitOfWork } from './unit-of-work.ts';
import { createUnitOfWork } from './unit-of-work.ts';

type AnyAggregate = AggregateDefinition<unknown, never>;

const SNAPSHOT_EVERY = 10;
/** What is in force when nobody says another one. */
const SNAPSHOT_EVERY_DEFAULT = 100;
const declared = pipeline.domains
  .filter(({ captured }) => captured)
  .flatMap((domain) => domain.aggregates.map((aggregate) => ({ name: aggregate.type, domain, aggregate: aggregate })));

/** Any event of the domain, by any version of its schema: what an aggregate may find in its stream. */
function eventOf(domain: DomainDefinition): fc.Arbitrary<NewEvent> {
  const schemas: Readonly<Record<string, EventSchemas>> = SCHEMAS;
  const versions = domain.events.flatMap(({ type }) => (schemas[type]?.versions ?? []).map((schema) => ({ type, schema })));
  return fc.oneof(...versions.map(({ type, schema }) => payloadOf(schema).map((payload) => ({ type, payload }))));
}

describe('every declared aggregate', () => {
  const databases = temporaryDatabases('declared');
  const open: Database[] = [];
  afterAll(async () => {
    await Promise.all(open.map((database) => database.stop()));
    await databases.dropAll();
  });

  interface Store {
    readonly domain: DomainDefinition;
    readonly database: Database;
    readonly unitOfWork: PostgresUnitOfWork;
    readonly snapshotEvery: number;
  }

  async function opened(domain: DomainDefinition, snapshotEvery: number): Promise<Store> {
    const url = databases.url(domain.name);
    await migrateDomain({ databaseUrl: url, domain: domain.name, logger: SILENT_LOGGER });
    const database = createDatabase({ url, domain: domain.name, poolMax: 2, logger: SILENT_LOGGER });
    open.push(database);
    const store = { database, domain, catalogue: CATALOGUE, validator: createPayloadValidator(), logger: SILENT_LOGGER };
    const every = snapshotEvery === SNAPSHOT_EVERY_DEFAULT ? {} : { snapshotEvery };
    return { domain, database, unitOfWork: createUnitOfWork({ ...store, ...every }), snapshotEvery };
  }

  /** Appends, and compares what is loaded and what was at each of a few times with the fold of all events from the first on. */
  async function check(store: Store, aggregate: AnyAggregate, id: string, appends: readonly (readonly NewEvent[])[]): Promise<void> {
    const { domain, database, unitOfWork, snapshotEvery } = store;
    // Its tables have a test of their own; random payloads would not satisfy their constraints.
    const untabled: AnyAggregate = { ...aggregate, tables: () => [] };
    let version = 0n;
    for (const events of appends) {
      await unitOfWork.run(aCause(), (tx) => tx.append(untabled, id, version, events));
      version += BigInt(events.length);
    }
    const stored = await storedEvents(database, domain.name, aggregate.type, id);
    const at = (events: readonly StoredEvent[]): unknown =>
      events.reduce((state, event) => aggregate.evolve(state, event as never), aggregate.initial(id));

    const loaded = await unitOfWork.run(aCause(), (tx) => tx.load(untabled, id));
    expect(loaded).toEqual({ state: at(stored), version });
    const [snapshot] = await database.query<{ sequence_number: bigint; state: unknown }>(
      `SELECT sequence_number, state FROM ${domain.name}.snapshots WHERE aggregate_id = $1`,
      [id],
    );
    expect(snapshot === undefined, 'a snapshot was made when it was due').toBe(version < BigInt(snapshotEvery));
    if (snapshot !== undefined) {
      expect(snapshot.state).toEqual(at(stored.slice(0, Number(snapshot.sequence_number))));
      expect(version - snapshot.sequence_number).toBeLessThan(BigInt(snapshotEvery));
    }
    for (const moment of new Set(stored.map(({ occurredAt }) => occurredAt))) {
      const then = stored.filter(({ occurredAt }) => occurredAt <= moment);
      expect(await stateAt(database, domain.name, untabled, id, moment)).toEqual({ state: at(then), version: BigInt(then.length) });
    }
  }

  it('is the only one of its domain, so that every event of the domain is one of its stream', () => {
    expect(declared.map(({ domain }) => domain.name)).toEqual([...new Set(declared.map(({ domain }) => domain.name))]);
    expect(declared.length).toBeGreaterThan(4);
  });

  it.each(declared)('$name: is the same from its snapshot as from all its events, now and at any time', async ({ domain, aggregate }) => {
    const store = await opened(domain, SNAPSHOT_EVERY);
    let streams = 0;
    const appends = fc.array(fc.array(eventOf(domain), { minLength: 1, maxLength: 6 }), { minLength: 4, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(appends, async (events) => check(store, aggregate, `stream-${(streams += 1)}`, events)),
      { numRuns: 8 },
    );
  });

  it.each(declared)('$name: is so too over hundreds of events, with a snapshot every 100', async ({ domain, aggregate }) => {
    const store = await opened(domain, SNAPSHOT_EVERY_DEFAULT);
    const appends = fc.array(fc.array(eventOf(domain), { minLength: 20, maxLength: 40 }), { minLength: 8, maxLength: 8, size: 'max' });
    await fc.assert(
      fc.asyncProperty(appends, async (events) => check(store, aggregate, 'long', events)),
      { numRuns: 1 },
    );
  });
});

async function storedEvents(database: Database, schema: string, type: string, id: string): Promise<readonly StoredEvent[]> {
  const rows = await database.query<{ v: bigint; type: string; payload: unknown; at: string }>(
    `SELECT sequence_number AS v, event_type AS type, payload, created_at AS at FROM ${schema}.events
     WHERE aggregate_type = $1 AND aggregate_id = $2 ORDER BY sequence_number`,
    [type, id],
  );
  return rows.map((row) => ({ type: row.type, payload: row.payload, version: row.v, occurredAt: row.at }));
}
