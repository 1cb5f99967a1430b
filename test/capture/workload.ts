import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as after } from 'node:timers/promises';
import type pg from 'pg';
import type { CaptureDatabase, FiredEvent } from '../support/capture-database.ts';

export const ROUTES = ['image.registered', 'image.processed'] as const;

export interface WorkloadOptions {
  readonly writers?: number;
  /** Between two transactions of one writer, milliseconds. */
  readonly pauseMs?: number;
  /** Characters that do not compress, beside the payload's own. */
  readonly fillerChars?: number;
  readonly seed?: number;
  /** Logical messages beside the rows; default true. */
  readonly fires?: boolean;
}

interface Stream {
  readonly id: string;
  readonly key: string;
  readonly route: string;
  version: number;
}

const STREAMS_PER_WRITER = 4;
const KEYS = 5;
/** Of the events of a writer, so many are logical messages and no rows. */
const FIRED_SHARE = 0.25;

/**
 * Writers that share keys but not streams: transactions of one to a few events, rows and logical messages mixed, some of many, some
 * rolled back, some with a savepoint that is rolled back; and in between transactions that hold nothing for the capture. What a writer knows of an outcome it writes down; an outcome that it could not learn (the server
 * died in the commit) counts as neither.
 */
export class Workload {
  /** Ids whose commit was confirmed. */
  readonly committed = new Set<string>();
  /** Of the committed ones, those that are no rows. */
  readonly fired: FiredEvent[] = [];
  /** Ids that were rolled back, by transaction or savepoint. */
  readonly rolledBack = new Set<string>();
  /** Transactions whose outcome a writer could not learn. */
  failures = 0;
  private readonly database: CaptureDatabase;
  private readonly options: Required<WorkloadOptions>;
  private running: Promise<unknown> | undefined;
  private stopping = false;
  private remaining = Infinity;
  private connections = 0;

  constructor(database: CaptureDatabase, options: WorkloadOptions = {}) {
    this.database = database;
    this.options = { writers: 3, pauseMs: 25, fillerChars: 0, seed: 1, fires: true, ...options };
  }

  /** Writes until `stop`. */
  start(): void {
    this.stopping = false;
    this.running = Promise.all(Array.from({ length: this.options.writers }, (_, index) => this.write(index)));
  }

  async stop(): Promise<void> {
    this.stopping = true;
    await this.running;
  }

  /** Writes that many transactions and ends. */
  async writeSome(transactions: number): Promise<void> {
    this.remaining = transactions;
    this.start();
    await this.running;
    this.remaining = Infinity;
  }

  private async write(writer: number): Promise<void> {
    const random = randomFrom(this.options.seed * 1_000 + writer);
    const streams = Array.from({ length: STREAMS_PER_WRITER }, (_, index): Stream => {
      const route = ROUTES[(writer + index) % ROUTES.length]!;
      return { id: `stream-${this.options.seed}-${writer}-${index}`, key: `user-${(writer + index) % KEYS}`, route, version: 0 };
    });
    // Of messages no table tells where a stream was: after an outcome that could not be learned another stream begins.
    let fired: Stream[] = [];
    let client: pg.Client | undefined;
    while (!this.stopping && this.remaining > 0) {
      this.remaining -= 1;
      try {
        if (client === undefined) {
          client = await this.connect(streams);
          this.connections += 1;
          if (this.options.fires)
            fired = streams.map((stream) => ({ ...stream, id: `${stream.id}-fired-${this.connections}`, version: 0 }));
        }
        await this.transaction(client, [...streams, ...fired], streams.length, random);
        await after(this.options.pauseMs);
      } catch {
        // The server is away, or it does not take writes: what came of the transaction is learned from the server itself.
        this.failures += 1;
        void client?.end().catch(() => undefined);
        client = undefined;
        await after(50);
      }
    }
    await client?.end().catch(() => undefined);
  }

  private async connect(streams: readonly Stream[]): Promise<pg.Client> {
    const client = await this.database.connect();
    const { rows } = await client.query<{ stream_id: string; version: string }>(
      'SELECT stream_id, max(version) AS version FROM image.outbox WHERE stream_id = ANY($1) GROUP BY stream_id',
      [streams.map((stream) => stream.id)],
    );
    for (const stream of streams) stream.version = Number(rows.find((row) => row.stream_id === stream.id)?.version ?? 0);
    return client;
  }

  /** @param tables how many of the streams, from the first on, are those of rows. */
  private async transaction(client: pg.Client, streams: readonly Stream[], tables: number, random: () => number): Promise<void> {
    const before = streams.map((stream) => stream.version);
    const [rows, messages] = [streams.slice(0, tables), streams.slice(tables)];
    const [written, fired]: [string[], FiredEvent[]] = [[], []];
    const size = random() < 0.05 ? 40 : 1 + Math.floor(random() * 4);
    await client.query('BEGIN');
    for (let event = 0; event < size; event += 1) {
      if (messages.length > 0 && random() < FIRED_SHARE) fired.push(await this.fire(client, pick(messages, random)));
      else written.push(await this.insert(client, pick(rows, random)));
    }
    if (random() < 0.15) await this.rolledBackSavepoint(client, streams, tables, random);
    if (random() < 0.1) {
      await client.query('ROLLBACK');
      for (const id of [...written, ...fired.map(({ id: each }) => each)]) this.rolledBack.add(id);
      streams.forEach((stream, index) => (stream.version = before[index]!));
      return;
    }
    await client.query('COMMIT');
    this.fired.push(...fired);
    for (const id of [...written, ...fired.map(({ id: each }) => each)]) this.committed.add(id);
    if (random() < 0.1) await client.query(`SELECT pg_logical_emit_message($1, 'somebody else', 'nothing of ours')`, [random() < 0.5]);
  }

  private async rolledBackSavepoint(client: pg.Client, streams: readonly Stream[], tables: number, random: () => number): Promise<void> {
    const index = Math.floor(random() * streams.length);
    const stream = streams[index]!;
    await client.query('SAVEPOINT attempt');
    this.rolledBack.add(index < tables ? await this.insert(client, stream) : (await this.fire(client, stream)).id);
    await client.query('ROLLBACK TO SAVEPOINT attempt');
    stream.version -= 1;
  }

  private async fire(client: pg.Client, stream: Stream): Promise<FiredEvent> {
    stream.version += 1;
    const { id: streamId, key, route: topic, version } = stream;
    const filler = incompressible(this.options.fillerChars);
    // A text that no parser would write again as it is.
    const payload = `{"user_id":"${key}" ,  "image_id": "${streamId}", "cdn_url": "https:\\/\\/cdn/${version}${filler}"}`;
    const event = { id: randomUUID(), streamId, version, key, topic, payload };
    await this.database.fire(event, client);
    return event;
  }

  private async insert(client: pg.Client, stream: Stream): Promise<string> {
    const id = randomUUID();
    stream.version += 1;
    const filler = incompressible(this.options.fillerChars);
    await client.query(
      `INSERT INTO image.outbox (id, aggregatetype, aggregateid, type, payload, trace_id, topic, stream_id, version)
       VALUES ($1, 'image', $2, 'ImageRegistered', $3, $4, $5, $6, $7)`,
      [
        id,
        stream.key,
        JSON.stringify({ image_id: stream.id, user_id: stream.key, cdn_url: `https://cdn/${stream.version}${filler}` }),
        'a'.repeat(32),
        stream.route,
        stream.id,
        stream.version,
      ],
    );
    return id;
  }
}

function pick(streams: readonly Stream[], random: () => number): Stream {
  return streams[Math.floor(random() * streams.length)]!;
}

/** Random text, so that no compression makes it small. */
export function incompressible(chars: number): string {
  return randomBytes(Math.ceil((chars * 3) / 4))
    .toString('base64url')
    .slice(0, chars);
}

/** mulberry32: small, and the same numbers from the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
