import type { AcknowledgeWitness } from './acknowledge-witness.ts';
import { FrameCutter } from './frame-cutter.ts';
import type { Side, Tap } from './tapped-proxy.ts';

const SSL_REQUEST = 80_877_103;
/** Of logical messages that are events. */
const MESSAGE_PREFIX = 'millrace.outbox';

interface Relation {
  readonly isOutbox: boolean;
  readonly idColumn: number;
}

/**
 * Reads PostgreSQL's replication protocol along the way: which rows and messages were sent with which commit, and which positions were told.
 * A decoder of its own, so that an error of the relay's decoder cannot hide itself. Other sessions pass unread.
 *
 * Source: PostgreSQL documentation, "Streaming Replication Protocol" and "Logical Replication Message Formats".
 */
export class ReplicationTap implements Tap {
  private readonly witness: AcknowledgeWitness;
  private readonly client: FrameCutter;
  private readonly server = typedFrames();
  private readonly relations = new Map<number, Relation>();
  private started = false;
  private commitLsn = 0n;
  private streaming = false;

  constructor(witness: AcknowledgeWitness) {
    this.witness = witness;
    // The first message of a client has no type.
    this.client = new FrameCutter(4, (head) => head.readInt32BE(0));
  }

  fromClient(bytes: Buffer): void {
    this.guarded('what a client of PostgreSQL sent', () => this.client.push(bytes, (frame) => this.onClientFrame(frame)));
  }

  fromServer(bytes: Buffer): void {
    this.guarded('what PostgreSQL sent', () =>
      this.server.push(bytes, (frame) => {
        if (frame[0] === 0x64 /* d */) this.onServerCopyData(frame.subarray(5));
      }),
    );
  }

  inMidMessage(side: Side): boolean {
    return (side === 'client' ? this.client : this.server).pendingBytes > 0;
  }

  get isOfInterest(): boolean {
    return this.streaming;
  }

  private guarded(what: string, read: () => void): void {
    try {
      read();
    } catch (thrown) {
      this.witness.blind(`${what}: ${String(thrown)}`);
    }
  }

  private onClientFrame(frame: Buffer): void {
    if (!this.started) {
      if (frame.readInt32BE(4) === SSL_REQUEST) throw new Error('the connection is encrypted');
      this.started = true;
      this.client.reframe(5, typedLength);
      return;
    }
    if (frame[0] !== 0x64 /* d */ || frame[5] !== 0x72 /* r */) return;
    const flushLsn = frame.readBigUInt64BE(6 + 8);
    this.witness.status(flushLsn);
  }

  private onServerCopyData(body: Buffer): void {
    this.streaming = true;
    if (body[0] === 0x6b /* k */) this.witness.position(body.readBigUInt64BE(1));
    else if (body[0] === 0x77 /* w */) this.onMessage(body.subarray(25));
  }

  private onMessage(message: Buffer): void {
    const tag = String.fromCharCode(message[0] ?? 0);
    if (tag === 'B') {
      // The start of the commit record, known before the first row.
      this.commitLsn = message.readBigUInt64BE(1);
    } else if (tag === 'C') {
      if (message.readBigUInt64BE(2) !== this.commitLsn) throw new Error('a transaction ends elsewhere than it said');
      this.witness.position(message.readBigUInt64BE(10));
    } else if (tag === 'R') {
      this.relations.set(message.readUInt32BE(1), readRelation(message));
    } else if (tag === 'I') {
      const relation = this.relations.get(message.readUInt32BE(1));
      if (relation === undefined) throw new Error('a row of an unknown relation');
      if (relation.isOutbox) this.witness.row({ id: columnText(message, 6, relation.idColumn), commitLsn: this.commitLsn });
    } else if (tag === 'M') {
      const id = firedId(message);
      if (id !== undefined) this.witness.row({ id, commitLsn: this.commitLsn });
    }
  }
}

/** The id of an event that stands in a transactional message of ours. */
function firedId(message: Buffer): string | undefined {
  const prefixEnd = message.indexOf(0, 10);
  if (message[1] !== 1 || message.toString('utf8', 10, prefixEnd) !== MESSAGE_PREFIX) return undefined;
  const { id } = JSON.parse(message.toString('utf8', prefixEnd + 5)) as { id?: unknown };
  if (typeof id !== 'string') throw new Error('a message without an id');
  return id;
}

function typedFrames(): FrameCutter {
  return new FrameCutter(5, typedLength);
}

function typedLength(head: Buffer): number {
  return 1 + head.readInt32BE(1);
}

function readRelation(message: Buffer): Relation {
  let at = 5;
  const text = (): string => {
    const end = message.indexOf(0, at);
    const value = message.toString('utf8', at, end);
    at = end + 1;
    return value;
  };
  text(); // schema
  const name = text();
  at += 1; // replica identity
  const columns: string[] = [];
  const count = message.readUInt16BE(at);
  at += 2;
  for (let index = 0; index < count; index += 1) {
    at += 1; // part of the key
    columns.push(text());
    at += 8; // type and its modifier
  }
  const idColumn = columns.indexOf('id');
  return { isOutbox: name === 'outbox' && idColumn >= 0, idColumn };
}

/** One column of the tuple that begins at `at`, as text; a binary one is a uuid. */
function columnText(message: Buffer, start: number, wanted: number): string {
  const count = message.readUInt16BE(start);
  let at = start + 2;
  for (let index = 0; index < count; index += 1) {
    const kind = message[at];
    at += 1;
    if (kind === 0x6e /* n */ || kind === 0x75 /* u */) {
      if (index === wanted) throw new Error('a row without an id');
      continue;
    }
    const length = message.readUInt32BE(at);
    at += 4;
    if (index === wanted) {
      return kind === 0x62 /* b */ ? uuidText(message.subarray(at, at + length)) : message.toString('utf8', at, at + length);
    }
    at += length;
  }
  throw new Error('a row without an id');
}

function uuidText(bytes: Buffer): string {
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
