import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { dropCaptureSource, ensureCaptureSource } from '../../connectors/replication/capture-source.ts';
import { decodePgoutput, tupleColumns } from '../../connectors/replication/pgoutput.ts';
import { captureSource } from '../../connectors/outbox/relay.ts';
import type { Lsn } from '../../core/lsn.ts';
import { Names } from '../../core/names.ts';
import { systemClock } from './system-clock.ts';
import type { TemporaryDatabases } from './temporary-databases.ts';
import { temporaryDatabases } from './temporary-databases.ts';

/** The columns of an outbox without anything of the migrations: what a capture must be content with. */
export const OUTBOX = `
  CREATE SCHEMA image;
  CREATE TABLE image.outbox (
    id uuid NOT NULL, aggregatetype varchar(64), aggregateid varchar(64), type varchar(64), payload jsonb,
    trace_id varchar(64) NOT NULL, request_id varchar(64), created_at timestamptz NOT NULL DEFAULT now(),
    topic text, stream_id varchar(64), version bigint, traceparent text, tracestate text, tracingspancontext text,
    correlation_id text, causation_id text
  ) PARTITION BY RANGE (created_at);
  CREATE TABLE image.outbox_default PARTITION OF image.outbox DEFAULT;
  CREATE TABLE image.outbox_p20251121 PARTITION OF image.outbox FOR VALUES FROM ('2025-11-21 00:00+00') TO ('2025-11-22 00:00+00');`;

export interface NewRow {
  readonly id?: string;
  readonly aggregateid?: string | null;
  readonly type?: string;
  readonly topic?: string | null;
  readonly payload?: string | null;
  readonly version?: number;
  readonly createdAt?: string;
}

/** An event that no table keeps, as the server's log has it. */
export interface FiredEvent {
  readonly id: string;
  readonly streamId: string;
  readonly version: number;
  readonly key: string;
  readonly topic: string;
  readonly payload: string;
}

export interface CommittedEvent {
  readonly id: string;
  /** Start of the commit record. */
  readonly commitLsn: Lsn;
  readonly endLsn: Lsn;
  /** Left out: it is a row of the outbox. */
  readonly fired?: FiredEvent;
}

export const MESSAGE_PREFIX = 'millrace.outbox';

/** A database of its own with a minimal outbox of the domain `image`, its publication and slots. */
export interface CaptureDatabase {
  readonly names: Names;
  readonly domain: 'image';
  readonly url: string;
  readonly sql: pg.Client;
  connect(): Promise<pg.Client>;
  /** After the server went away: `sql` is another session then. */
  reconnect(): Promise<void>;
  /** Inserts in the client's transaction, or in one of its own; returns the id. */
  insert(row?: NewRow, client?: pg.Client): Promise<string>;
  /** Writes a transactional logical message instead of a row, in the client's transaction or in one of its own. */
  fire(event: FiredEvent, client?: pg.Client): Promise<void>;
  /** So many rows in one transaction, of a stream and a key of their own. */
  insertMany(rows: number): Promise<void>;
  confirmedFlushLsn(): Promise<string>;
  /** The end of the log that is written. */
  writtenLsn(): Promise<string>;
  /** Where the server keeps its files. */
  dataDirectory(): Promise<string>;
  /** Where the server says each row and each message committed, read through a slot of its own, in commit order. */
  commits(): Promise<CommittedEvent[]>;
  drop(): Promise<void>;
}

/** @param serverUrl a server of the test's own; left out: the one that all tests share. */
export async function captureDatabase(label: string, serverUrl?: string): Promise<CaptureDatabase> {
  const databases = temporaryDatabases(label, serverUrl);
  const names = new Names(databases.namespace);
  const url = databases.url('image');
  await databases.admin(`CREATE DATABASE "${new URL(url).pathname.slice(1)}"`);
  const clients: pg.Client[] = [];
  const connect = async (): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: url });
    // A server that is killed ends its sessions; whoever uses one then is told by the query that fails.
    client.on('error', () => undefined);
    clients.push(client);
    await client.connect();
    return client;
  };
  let sql = await connect();
  await sql.query(OUTBOX);
  const source = captureSource('image', url, names);
  await ensureCaptureSource(source);
  const witness = `${source.slot}_witness`;
  await sql.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [witness]);
  let version = 0;
  return {
    names,
    domain: 'image',
    url,
    get sql() {
      return sql;
    },
    connect,
    reconnect: async () => {
      sql = await connect();
    },
    insert: async (row = {}, client = sql) => {
      version += 1;
      const id = row.id ?? randomUUID();
      await client.query(
        `INSERT INTO image.outbox (id, aggregatetype, aggregateid, type, payload, trace_id, topic, stream_id, version, created_at)
         VALUES ($1, 'image', $2, $3, $4::text::jsonb, $5, $6, $7, $8, coalesce($9::timestamptz, now()))`,
        [
          id,
          row.aggregateid === undefined ? 'user-1' : row.aggregateid,
          row.type ?? 'ImageRegistered',
          row.payload === undefined ? '{"image_id":"i"}' : row.payload,
          'a'.repeat(32),
          row.topic === undefined ? 'image.registered' : row.topic,
          'stream-1',
          row.version ?? version,
          row.createdAt ?? null,
        ],
      );
      return id;
    },
    fire: async (event, client = sql) => {
      await client.query('SELECT pg_logical_emit_message(true, $1, $2::text)', [MESSAGE_PREFIX, messageOf(event)]);
    },
    insertMany: async (rows) => {
      await sql.query(
        `INSERT INTO image.outbox (id, aggregatetype, aggregateid, type, payload, trace_id, topic, stream_id, version)
         SELECT gen_random_uuid(), 'image', 'user-many', 'ImageRegistered', jsonb_build_object('n', g, 'filler', repeat('x', 300)),
                repeat('a', 32), 'image.registered', 'stream-many', g
           FROM generate_series(1, $1) AS g`,
        [rows],
      );
    },
    confirmedFlushLsn: async () => {
      const { rows } = await sql.query<{ lsn: string }>(
        'SELECT confirmed_flush_lsn::text AS lsn FROM pg_replication_slots WHERE slot_name = $1',
        [source.slot],
      );
      return rows[0]!.lsn;
    },
    writtenLsn: async () => {
      const { rows } = await sql.query<{ lsn: string }>('SELECT pg_current_wal_lsn()::text AS lsn');
      return rows[0]!.lsn;
    },
    dataDirectory: async () => {
      const { rows } = await sql.query<{ path: string }>(`SELECT current_setting('data_directory') AS path`);
      return rows[0]!.path;
    },
    commits: () => readCommits(sql, witness, source.publication.name),
    drop: () => dropEverything(databases, clients, source, witness),
  };
}

/** The payload comes last, as it is written. */
const PAYLOAD_MEMBER = ', "payload": ';

function messageOf({ id, streamId, version, key, topic, payload }: FiredEvent): string {
  const columns = { id, aggregatetype: 'image', aggregateid: key, type: 'ImageRegistered', trace_id: 'a'.repeat(32), topic };
  const envelope = JSON.stringify({ ...columns, stream_id: streamId, version, created_at: '2025-11-21 08:00:00.12+00' });
  return `${envelope.slice(0, -1)}${PAYLOAD_MEMBER}${payload}}`;
}

function firedEvent(content: string): FiredEvent {
  const columns = JSON.parse(content) as { id: string; stream_id: string; version: number; aggregateid: string; topic: string };
  const { id, stream_id: streamId, version, aggregateid: key, topic } = columns;
  return { id, streamId, version, key, topic, payload: content.slice(content.indexOf(PAYLOAD_MEMBER) + PAYLOAD_MEMBER.length, -1) };
}

async function readCommits(sql: pg.Client, slot: string, publication: string): Promise<CommittedEvent[]> {
  const { rows } = await sql.query<{ data: Buffer }>(
    `SELECT data FROM pg_logical_slot_peek_binary_changes($1, NULL, NULL,
       'proto_version', '1', 'publication_names', $2, 'messages', 'true')`,
    [slot, publication],
  );
  const commits: CommittedEvent[] = [];
  let open: Pick<CommittedEvent, 'id' | 'fired'>[] = [];
  for (const { data } of rows) {
    const message = decodePgoutput(data);
    if (message.kind === 'insert') open.push({ id: tupleColumns(message.tuple)[0]!.toString() });
    if (message.kind === 'message' && message.transactional && message.prefix === MESSAGE_PREFIX) {
      const fired = firedEvent(message.content.toString());
      open.push({ id: fired.id, fired });
    }
    if (message.kind !== 'commit') continue;
    for (const event of open) commits.push({ ...event, commitLsn: message.commitLsn, endLsn: message.endLsn });
    open = [];
  }
  return commits;
}

async function dropEverything(
  databases: TemporaryDatabases,
  clients: readonly pg.Client[],
  source: ReturnType<typeof captureSource>,
  witness: string,
): Promise<void> {
  for (const client of clients) await client.end();
  await dropCaptureSource({ ...source, slot: witness }, systemClock);
  await dropCaptureSource(source, systemClock);
  await databases.dropAll();
}
