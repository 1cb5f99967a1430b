import type { OnReadOpts, SocketConstructorOpts } from 'node:net';
import { Socket } from 'node:net';
import type { Duplex, Readable } from 'node:stream';
import type { Client, Connection } from 'pg';
import { LogicalReplicationService } from 'pg-logical-replication';
import { AbstractPlugin } from 'pg-logical-replication/dist/output-plugins/abstract.plugin.js';
import { ClassifiedError } from '../../core/errors.ts';
import type { Lsn } from '../../core/lsn.ts';
import { CopyFrames } from './copy-frames.ts';
import { POSTGRES_EPOCH_US } from './pgoutput.ts';
import { quoteIdentifier, quoteLiteral } from './sql-session.ts';
import type { StandbyStatus } from './standby-status.ts';
import { encodeStandbyStatus } from './standby-status.ts';

export interface WalSenderTarget {
  readonly url: string;
  readonly slot: string;
  readonly publication: string;
  readonly connectTimeoutMs: number;
  /** What one read of the socket may bring at most. */
  readonly readBufferBytes: number;
}

/** Callbacks in the order of the wire; none may throw. After `onClosed`, which comes exactly once, none comes again. */
export interface WalSenderHandlers {
  onStarted(): void;
  /** One pgoutput message, `bytes[start, end)`: overwritten as soon as the call returns. */
  onWal(bytes: Buffer, start: number, end: number): void;
  /** Whether nobody needs the pgoutput message of which this is the beginning, and which is too large for the buffer. */
  isUnwanted?(bytes: Buffer, start: number, end: number): boolean;
  /**
   * Everything that came with one read of the socket was handed over.
   * @param readBytes so much it was; behind TLS, what came in one turn of the event loop.
   * @param sentAtUs when the server sent the last WAL message, on its own clock; microseconds since the epoch.
   */
  onReadEnd(readBytes: number, sentAtUs: number): void;
  onKeepalive(walEnd: Lsn, replyRequested: boolean): void;
  /** The plugin did not find the publication at this point of the stream: what follows may lack rows. */
  onPublicationSkipped(): void;
  /** Undefined: closed by us, or ended by the server without a reason. */
  onClosed(error: unknown): void;
}

/** One connection to a walsender, from START_REPLICATION to its end. It is never reopened. */
export interface WalSenderConnection {
  /** Written at once and never held back by `pause`. A dead connection drops it; `onClosed` tells. */
  sendStatus(status: StandbyStatus, nowMs: number): void;
  /** Stops reading the socket; what was read already is still delivered. */
  pause(): void;
  resume(): void;
  close(): Promise<void>;
}

export type OpenWalSender = (target: WalSenderTarget, handlers: WalSenderHandlers) => WalSenderConnection;

/**
 * The one place that knows `pg-logical-replication`. It serves as connection (authentication, TLS), START_REPLICATION and
 * life. The data of the stream goes past it and past the driver: the socket reads into one large buffer, and messages are cut
 * from it where they lie (docs/adr/0011). Its own acknowledging is off in every form, because each of them loses
 * events: `acknowledge()` and the automatic mode report one byte too much, and its timer reports what was received as if it were
 * durable. Status messages are written here.
 */
export const openWalSender: OpenWalSender = (target, handlers) => {
  const connection = new LibraryConnection(target, handlers);
  connection.open();
  return connection;
};

type DataListener = (chunk: Buffer) => void;

class LibraryConnection implements WalSenderConnection {
  private readonly target: WalSenderTarget;
  private readonly handlers: WalSenderHandlers;
  private readonly service: LogicalReplicationService;
  private readonly frames: CopyFrames;
  private socketOwner: Connection | undefined;
  /** The driver's own parser: it goes on reading whatever is not CopyData. Undefined until the stream is taken over. */
  private driver: DataListener | undefined;
  private paused = false;
  private closed = false;

  constructor(target: WalSenderTarget, handlers: WalSenderHandlers) {
    this.target = target;
    this.handlers = handlers;
    this.frames = new CopyFrames(
      {
        onWal: (bytes, start, end) => {
          if (!this.closed) this.handlers.onWal(bytes, start, end);
        },
        isUnwanted: (bytes, start, end) => this.handlers.isUnwanted?.(bytes, start, end) === true,
        onKeepalive: (walEnd, replyRequested) => {
          if (!this.closed) this.handlers.onKeepalive(walEnd, replyRequested);
        },
        onOther: (message) => this.driver?.(message),
      },
      target.readBufferBytes,
    );
    this.service = new LogicalReplicationService(
      {
        connectionString: withSessionOptions(target.url),
        application_name: 'millrace-relay',
        connectionTimeoutMillis: target.connectTimeoutMs,
        keepAlive: true,
        stream: () => this.newSocket(),
      },
      { acknowledge: { auto: false, timeoutSeconds: 0 }, flowControl: { enabled: false } },
    );
  }

  open(): void {
    this.service.on('start', () => {
      if (!this.closed) this.handlers.onStarted();
    });
    this.service.on('error', (error: Error) => this.end(error));
    this.service.subscribe(new TakenOverPgoutput((client) => this.startReplication(client)), this.target.slot).then(
      () => this.end(undefined),
      (error: unknown) => this.end(error),
    );
  }

  sendStatus(status: StandbyStatus, nowMs: number): void {
    if (this.closed) return;
    (this.socketOwner as CopyConnection | undefined)?.sendCopyFromChunk(encodeStandbyStatus(status, nowMs));
  }

  pause(): void {
    this.paused = true;
    this.socketOwner?.stream.pause();
  }

  resume(): void {
    this.paused = false;
    if (!this.closed) this.socketOwner?.stream.resume();
  }

  async close(): Promise<void> {
    this.end(undefined);
    await this.release();
  }

  private end(error: unknown): void {
    if (this.closed) return;
    this.closed = true;
    this.handlers.onClosed(error);
    void this.release();
  }

  /** Ends the socket whatever state it is in. Safe to repeat. */
  private async release(): Promise<void> {
    const socketOwner = this.socketOwner;
    if (socketOwner === undefined) return; // still connecting: `start` sees `closed`, or the connect timeout ends it
    this.socketOwner = undefined;
    const gone = new Promise<void>((resolve) => {
      if (socketOwner.stream.closed) resolve();
      else socketOwner.stream.once('close', () => resolve());
    });
    socketOwner.stream.destroy();
    await gone;
    await this.service.destroy();
    // The library took every listener off; a late error of the dead socket must not end the process.
    socketOwner.on('error', () => undefined);
  }

  private async startReplication(client: Client): Promise<unknown> {
    this.socketOwner = client.connection;
    client.on('notice', (notice) => {
      if (!this.closed && tellsOfSkippedPublication(notice)) this.handlers.onPublicationSkipped();
    });
    if (this.closed) {
      await this.release();
      return undefined;
    }
    this.takeOver(client.connection.stream);
    if (this.paused) client.connection.stream.pause();
    // From 0/0: the slot alone knows where to go on. A position of ours could only skip.
    return client.query(
      `START_REPLICATION SLOT ${quoteIdentifier(this.target.slot)} LOGICAL 0/0 ` +
        `(proto_version '1', publication_names ${quoteLiteral(quoteIdentifier(this.target.publication))}, messages 'true')`,
    );
  }

  /** A socket that reads into the buffer of the frames, without an object for each read. */
  private newSocket(): Socket {
    const onread: OnReadOpts = {
      buffer: () => this.frames.free(),
      callback: (count, buffer) => {
        if (this.driver !== undefined) {
          this.onBytes(count);
          this.onReadEnd(count);
        }
        // Until the stream begins the driver reads, and keeps what it reads.
        else socket.emit('data', Buffer.from(buffer.subarray(0, count)));
        return true;
      },
    };
    // The types leave it out; the constructor has known it since Node 12.
    const socket: Socket = new Socket({ onread } as SocketConstructorOpts);
    return socket;
  }

  /** Nothing is under way at this moment: the server has said that it is ready for a query. */
  private takeOver(stream: Duplex): void {
    const [driver] = stream.listeners('data');
    this.driver = driver as DataListener;
    stream.removeAllListeners('data');
    // Behind TLS the bytes come as chunks of the stream; a plain socket no longer emits any.
    passOnChunks(stream, {
      free: () => this.frames.free(),
      taken: (count) => this.onBytes(count),
      readEnd: (count) => this.onReadEnd(count),
      readBytesMax: this.target.readBufferBytes,
    });
  }

  private onReadEnd(count: number): void {
    if (!this.closed) this.handlers.onReadEnd(count, this.frames.sentAtPostgresUs + Number(POSTGRES_EPOCH_US));
  }

  private onBytes(count: number): void {
    try {
      this.frames.taken(count);
    } catch (thrown) {
      this.end(new ClassifiedError('POSTGRES_UNAVAILABLE', 'the bytes of the server could not be read', { cause: thrown }));
    }
  }
}

export interface ChunkReceiver {
  /** Where there is room for bytes; never empty. */
  free(): Buffer;
  /** So many bytes were copied into `free()`. */
  taken(count: number): void;
  /** So many bytes were one read. */
  readEnd(count: number): void;
  /** A read ends at the latest when it has brought so many bytes. */
  readonly readBytesMax: number;
}

/**
 * Copies the chunks of a stream to where there is room for them. Behind TLS every record is a chunk of 16 KiB at most, and a read is
 * what comes in one turn of the event loop. A stream that is paused would keep one or two of them by itself; this one goes on
 * until it has enough for a read, which is then there at once.
 */
export function passOnChunks(stream: Readable, receiver: ChunkReceiver): void {
  let readBytes = 0;
  // Asked for more than it keeps, a stream keeps that much from then on. There is no other way to tell it after it was made.
  stream.read(receiver.readBytesMax);
  const end = (): void => {
    if (readBytes === 0) return;
    const count = readBytes;
    readBytes = 0;
    receiver.readEnd(count);
  };
  stream.on('data', (chunk: Buffer) => {
    if (readBytes === 0) setImmediate(end);
    for (let at = 0; at < chunk.length;) {
      const room = receiver.free();
      const count = chunk.copy(room, 0, at, at + room.length);
      at += count;
      readBytes += count;
      receiver.taken(count);
    }
    if (readBytes >= receiver.readBytesMax) end();
  });
}

/** Starts the stream in our words. The library parses nothing: no CopyData reaches it. */
class TakenOverPgoutput extends AbstractPlugin<undefined> {
  private readonly begin: (client: Client) => Promise<unknown>;

  constructor(begin: (client: Client) => Promise<unknown>) {
    super(undefined);
    this.begin = begin;
  }

  override get name(): string {
    return 'pgoutput';
  }

  override start(client: Client): Promise<unknown> {
    return this.begin(client);
  }

  override parse(): undefined {
    return undefined;
  }
}

/**
 * From PostgreSQL 18 on, `pgoutput` goes on without a publication that it does not find and only warns, once, before it
 * skips the first row; up to 17 it ends the stream with an error. The warning takes its place in the order of the wire: what
 * comes before it is whole. Its text is in the server's language, so it is known by its SQLSTATE (55000, "not in the
 * prerequisite state") or by the function that gave it: one of the two is enough, because missing it loses rows.
 */
export function tellsOfSkippedPublication(notice: { readonly code?: string | undefined; readonly routine?: string | undefined }): boolean {
  return notice.code === '55000' || notice.routine === 'LoadPublications';
}

/** What `pg` has and its types leave out. */
interface CopyConnection {
  sendCopyFromChunk(chunk: Buffer): void;
}

/**
 * The plugin prints values by the settings of its session, so these are fixed: the text of a timestamp or of bytes must
 * not depend on how a database or a role is configured. Nor may a configuration keep the server's warnings from us.
 * @throws ClassifiedError CONFIGURATION_INVALID; never with the URL in it.
 */
export function withSessionOptions(url: string): string {
  if (!URL.canParse(url)) throw new ClassifiedError('CONFIGURATION_INVALID', 'the database URL of the capture is no URL with a host');
  const parsed = new URL(url);
  const fixed =
    '-c DateStyle=ISO -c TimeZone=UTC -c IntervalStyle=postgres -c extra_float_digits=1 -c bytea_output=hex -c client_min_messages=warning';
  const given = parsed.searchParams.get('options');
  parsed.searchParams.set('options', given === null ? fixed : `${given} ${fixed}`);
  return parsed.toString();
}
