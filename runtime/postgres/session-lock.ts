import pg from 'pg';
import { classifyPostgresError } from './classify-postgres-error.ts';

const CONNECT_TIMEOUT_MS = 5_000;
const QUERY_TIMEOUT_MS = 5_000;
const END_TIMEOUT_MS = 1_000;
/** Several times as long as a holder that works leaves between two questions. */
const SILENCE_MS = 300_000;

/**
 * A lock that one process of all has, as long as its connection lives and it asks: the server takes it back when the process
 * dies, and when it is silent for longer than `silenceMs`, as a frozen one is. Who loses the connection without knowing may
 * work beside the next one for a moment, so what the lock is for must bear two.
 */
export class SessionLock {
  private readonly url: string;
  private readonly name: string;
  private readonly silenceMs: number;
  private client: pg.Client | undefined;

  constructor(url: string, name: string, silenceMs = SILENCE_MS) {
    this.url = url;
    this.name = name;
    this.silenceMs = silenceMs;
  }

  /** Whether this process has it now; takes it when nobody does. Rejects with POSTGRES_UNAVAILABLE. */
  async isHeld(): Promise<boolean> {
    const client = this.client ?? this.newClient();
    try {
      if (this.client === undefined) {
        this.client = client;
        await client.connect();
        // The kernel of a frozen process still answers for its connection: only the server's own clock ends it.
        await client.query(`SELECT set_config('idle_session_timeout', $1, false)`, [`${this.silenceMs}ms`]);
      }
      // Taken again by its holder it counts up, and is the same lock.
      const { rows } = await client.query<{ held: boolean }>('SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS held', [this.name]);
      return rows[0]?.held === true;
    } catch (thrown) {
      await this.release();
      throw classifyPostgresError(thrown);
    }
  }

  /** Takes a second at most, whatever became of the server. */
  async release(): Promise<void> {
    const client = this.client;
    this.client = undefined;
    if (client === undefined) return;
    const cut = setTimeout(() => client.connection.stream.destroy(), END_TIMEOUT_MS);
    await client.end().catch(() => undefined); // the lock goes with the connection, however that ends
    clearTimeout(cut);
  }

  private newClient(): pg.Client {
    const client = new pg.Client({
      connectionString: this.url,
      application_name: 'millrace-lock',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: QUERY_TIMEOUT_MS,
      keepAlive: true,
    });
    // A lost connection fails the next question; unheard, the event would end the process.
    client.on('error', () => undefined);
    return client;
  }
}
