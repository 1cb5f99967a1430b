import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Clock } from '../../core/clock.ts';
import type { Lsn } from '../../core/lsn.ts';
import { LSN_ZERO, lsn } from '../../core/lsn.ts';
import type { EventRuns, SourceTransaction } from './stream-session.ts';
import { StreamSession } from './stream-session.ts';
import type { WalSenderHandlers } from './walsender-connection.ts';

const LANES = 3;
/** A lane of its own, behind all others: what could not be published goes there as a dead letter. */
const LETTERS = LANES;
const HUGE = 3_000;
const OUTBOX = 1;
const clock: Clock = { nowMs: () => Date.now(), monotonicMs: () => Date.now(), sleep: async () => undefined };

interface Event {
  readonly lane: number;
  readonly sentAs: 'row' | 'message';
  /** In Kafka, as its record or as its letter, by whichever connection. */
  durable: boolean;
}

/** What the server has in its log: a transaction, or a message that stands alone. */
interface Logged {
  /** Where its commit record begins: the server sends it again when that lies at or behind what it was told. */
  readonly start: Lsn;
  end: Lsn;
  readonly alone: boolean;
  readonly events: Event[];
}

/** An event as it was handed over on one connection. */
interface Copy {
  readonly event: Event;
  readonly of: Delivered;
  readonly transaction: SourceTransaction;
  readonly heldBytes: number;
}

interface Delivered {
  readonly logged: Logged;
  closed: boolean;
  undurable: number;
}

/** A naive server and the naive answer to "which position may it forget?": everything is remembered and looked through. */
class Model {
  wal: Lsn = lsn(1_000n);
  readonly log: Logged[] = [];
  told: Lsn = LSN_ZERO;
  /** Of this connection, in its order. */
  delivered: Delivered[] = [];
  idle: Lsn = LSN_ZERO;
  lanes: Copy[][] = emptyLanes();
  /** Handed over on connections that are over. */
  stale: Copy[] = [];

  get open(): Delivered | undefined {
    const last = this.delivered.at(-1);
    return last?.closed === false ? last : undefined;
  }

  get undurable(): number {
    return this.delivered.reduce((sum, { undurable }) => sum + undurable, 0);
  }

  expectedFlush(): Lsn {
    let flush = this.idle;
    for (const { logged, closed, undurable } of this.delivered) {
      if (!closed || undurable > 0) break;
      if (logged.end > flush) flush = logged.end;
    }
    return flush;
  }
}

/** The session under test, on a wire that is played. */
class Wire {
  session!: StreamSession;
  told: Lsn = LSN_ZERO;
  private handlers!: WalSenderHandlers;
  private handedOver: { readonly transaction: SourceTransaction; readonly heldBytes: number }[] = [];

  connect(): void {
    this.told = LSN_ZERO;
    const handOver = (transaction: SourceTransaction, heldBytes: number): void => void this.handedOver.push({ transaction, heldBytes });
    this.session = new StreamSession(
      { url: 'postgres://x', slot: 's', publication: 'p', connectTimeoutMs: 1, readBufferBytes: 1024 },
      {
        ...{ statusIntervalMs: 1_000_000, statusDelayMs: 1_000_000, silenceLimitMs: 9_000_000, publicationLookMs: 0 },
        ...{ inFlightBytesMax: Infinity, messagePrefix: 'ours' },
      },
      {
        onStreaming: () => undefined,
        onRow: (_relation, _bytes, _start, _end, transaction, heldBytes) => handOver(transaction, heldBytes),
        onLogicalMessage: (_message, transaction, heldBytes) => handOver(transaction, heldBytes),
        onReadEnd: () => undefined,
        onSkipped: () => undefined,
        onStatus: ({ flushLsn }) => {
          if (flushLsn !== LSN_ZERO) this.told = flushLsn;
        },
        onEnded: (error) => {
          if (error !== undefined) throw new Error('the session ended by itself', { cause: error });
        },
      },
      {
        clock,
        look: async () => true,
        open: (_target, handlers) => {
          this.handlers = handlers;
          const nothing = (): void => undefined;
          return { sendStatus: nothing, pause: nothing, resume: nothing, close: async () => undefined };
        },
      },
    );
    this.send(RELATION);
  }

  send(message: Buffer): void {
    this.handlers.onWal(message, 0, message.length);
  }

  keepalive(walEnd: Lsn): void {
    this.handlers.onKeepalive(walEnd, false);
  }

  /** What the last message was handed over with. */
  taken(): { readonly transaction: SourceTransaction; readonly heldBytes: number } {
    const [taken, ...more] = this.handedOver.splice(0);
    if (taken === undefined || more.length > 0) throw new Error('one event has to be handed over once');
    return taken;
  }
}

type Command = fc.AsyncCommand<Model, Wire>;

/** After each command the position that is told is compared with the one that the model finds by looking at everything. */
class Step implements Command {
  private readonly name: string;
  private readonly play: (model: Model, wire: Wire) => void;
  private readonly may: (model: Readonly<Model>) => boolean;

  constructor(name: string, play: Step['play'], may: Step['may'] = () => true) {
    this.name = name;
    this.play = play;
    this.may = may;
  }

  check(model: Readonly<Model>): boolean {
    return this.may(model);
  }

  async run(model: Model, wire: Wire): Promise<void> {
    this.play(model, wire);
    await wire.session.settle();
    wire.session.sendStatus();
    expect(wire.told).toBe(model.expectedFlush());
    expect(wire.session.undurableEvents).toBe(model.undurable);
    if (wire.told !== LSN_ZERO) model.told = wire.told;
    // Whoever dies here is sent again what the server may not forget yet.
    for (const { start, events } of model.log) {
      if (start < model.told) expect(events.every(({ durable }) => durable)).toBe(true);
    }
  }

  toString(): string {
    return this.name;
  }
}

const isOpen = ({ open }: Readonly<Model>): boolean => open !== undefined;
const isClosed = ({ open }: Readonly<Model>): boolean => open === undefined;
const holds =
  (lane: number) =>
  ({ lanes }: Readonly<Model>): boolean =>
    lanes[lane]!.length > 0;

const begin = (gap: number): Step =>
  new Step(
    `begin(${gap})`,
    (model, wire) => {
      const start = lsn(model.wal + BigInt(gap));
      model.wal = start;
      const logged: Logged = { start, end: start, alone: false, events: [] };
      model.log.push(logged);
      beginDelivery(model, wire, logged);
    },
    isClosed,
  );

const events = (count: number, lane: number, sentAs: Event['sentAs']): Step =>
  new Step(
    `${sentAs}s(${count} from lane ${lane})`,
    (model, wire) => {
      const open = model.open!;
      for (let nth = 0; nth < count; nth += 1) {
        const event: Event = { lane: (lane + nth) % LANES, sentAs, durable: false };
        open.logged.events.push(event);
        deliverEvent(model, wire, open, event);
      }
    },
    isOpen,
  );

/** What is nobody's event: a description of the table, a message of somebody else's prefix, a TRUNCATE. */
const noise = (which: number): Step =>
  new Step(`noise(${which})`, (model, wire) => {
    const inside = model.open !== undefined;
    wire.send([RELATION, logical(inside, model.wal, 'theirs'), TRUNCATE][which % 3]!);
  });

const commit = (recordBytes: number): Step =>
  new Step(
    `commit(${recordBytes})`,
    (model, wire) => {
      const open = model.open!;
      model.wal = lsn(open.logged.start + BigInt(recordBytes));
      open.logged.end = model.wal;
      endDelivery(wire, open);
    },
    isOpen,
  );

const loneMessage = (gap: number): Step =>
  new Step(
    `loneMessage(${gap})`,
    (model, wire) => {
      const start = lsn(model.wal + BigInt(gap));
      model.wal = lsn(start + 64n);
      const logged: Logged = { start, end: model.wal, alone: true, events: [{ lane: LETTERS, sentAs: 'message', durable: false }] };
      model.log.push(logged);
      deliverLone(model, wire, logged);
    },
    isClosed,
  );

const keepalive = (ahead: number): Step =>
  new Step(`keepalive(+${ahead})`, (model, wire) => {
    const walEnd = lsn(model.wal + BigInt(ahead));
    // Inside a transaction the server may name that transaction's own commit, or what lies behind it.
    if (model.open === undefined) model.wal = walEnd;
    if (model.open === undefined && model.undurable === 0) model.idle = walEnd;
    wire.keepalive(walEnd);
  });

/** The first so many events of one lane, as one batch: of several transactions, and only a piece of the last one. */
const acknowledge = (lane: number, count: number): Step =>
  new Step(
    `acknowledge(${count} of lane ${lane})`,
    (model, wire) => {
      const copies = model.lanes[lane]!.splice(0, count);
      for (const { event, of } of copies) {
        event.durable = true;
        of.undurable -= 1;
      }
      wire.session.acknowledge(runsOf(copies));
    },
    holds(lane),
  );

/** Kafka refuses one event of a batch: its neighbours do not wait, and it is durable when its letter is. */
const refuse = (lane: number, which: number): Step =>
  new Step(
    `refuse(${which} of lane ${lane})`,
    (model) => {
      const copies = model.lanes[lane]!;
      model.lanes[LETTERS]!.push(...copies.splice(which % copies.length, 1));
    },
    holds(lane),
  );

/** The connection ends, also inside of a transaction, and the server sends again what it was not told. */
const reconnect = new Step('reconnect', (model, wire) => {
  void wire.session.close();
  if (model.open !== undefined) {
    model.wal = lsn(model.open.logged.start + 34n);
    model.open.logged.end = model.wal;
  }
  model.stale.push(...model.lanes.flat());
  model.lanes = emptyLanes();
  model.delivered = [];
  model.idle = LSN_ZERO;
  wire.connect();
  for (const logged of model.log) if (logged.start >= model.told) deliverAgain(model, wire, logged);
});

/** What was under way on a connection that is over arrives in Kafka all the same, and says nothing of the new one's copies. */
const acknowledgeStale = new Step(
  'acknowledgeStale',
  (model, wire) => {
    const copies = model.stale.splice(0);
    for (const { event } of copies) event.durable = true;
    wire.session.acknowledge(runsOf(copies));
  },
  ({ stale }) => stale.length > 0,
);

function emptyLanes(): Copy[][] {
  return Array.from({ length: LANES + 1 }, () => []);
}

function beginDelivery(model: Model, wire: Wire, logged: Logged): Delivered {
  const delivered: Delivered = { logged, closed: false, undurable: 0 };
  model.delivered.push(delivered);
  wire.send(beginMessage(logged.start));
  return delivered;
}

function deliverEvent(model: Model, wire: Wire, of: Delivered, event: Event): void {
  wire.send(event.sentAs === 'row' ? INSERT : logical(true, of.logged.start, 'ours'));
  of.undurable += 1;
  model.lanes[event.lane]!.push({ event, of, ...wire.taken() });
}

function endDelivery(wire: Wire, delivered: Delivered): void {
  delivered.closed = true;
  wire.send(commitMessage(delivered.logged.end));
}

function deliverLone(model: Model, wire: Wire, logged: Logged): void {
  const [event] = logged.events;
  const of: Delivered = { logged, closed: true, undurable: 1 };
  model.delivered.push(of);
  wire.send(logical(false, logged.end, 'ours'));
  model.lanes[LETTERS]!.push({ event: event!, of, ...wire.taken() });
}

function deliverAgain(model: Model, wire: Wire, logged: Logged): void {
  if (logged.alone) {
    deliverLone(model, wire, logged);
    return;
  }
  const delivered = beginDelivery(model, wire, logged);
  for (const event of logged.events) deliverEvent(model, wire, delivered, event);
  endDelivery(wire, delivered);
}

/** As a batch counts its events: in runs of one transaction. */
function runsOf(copies: readonly Copy[]): EventRuns {
  const transactions: SourceTransaction[] = [];
  const counts: number[] = [];
  for (const { transaction } of copies) {
    if (transactions.at(-1) === transaction) counts.push((counts.pop() ?? 0) + 1);
    else {
      transactions.push(transaction);
      counts.push(1);
    }
  }
  return { transactions, counts, heldBytes: copies.reduce((sum, { heldBytes }) => sum + heldBytes, 0) };
}

const RELATION = Buffer.from(`R\0\0\0${String.fromCharCode(OUTBOX)}image\0outbox\0d\0\0`, 'latin1');
const TRUNCATE = Buffer.from(`T\0\0\0\x01\0\0\0\0${String.fromCharCode(OUTBOX)}`, 'latin1');
const INSERT = Buffer.from(`I\0\0\0${String.fromCharCode(OUTBOX)}N\0\0`, 'latin1');

function beginMessage(commitLsn: Lsn): Buffer {
  const bytes = Buffer.alloc(21);
  bytes[0] = 0x42;
  bytes.writeBigUInt64BE(commitLsn, 1);
  return bytes;
}

function commitMessage(endLsn: Lsn): Buffer {
  const bytes = Buffer.alloc(26);
  bytes[0] = 0x43;
  bytes.writeBigUInt64BE(endLsn, 10);
  return bytes;
}

function logical(transactional: boolean, at: Lsn, prefix: string): Buffer {
  const head = Buffer.alloc(10);
  head[0] = 0x4d;
  head[1] = transactional ? 1 : 0;
  head.writeBigUInt64BE(at, 2);
  return Buffer.concat([head, Buffer.from(`${prefix}\0\0\0\0\x02{}`)]);
}

/** A gap of 0 makes a commit record begin exactly where the one before it ended. */
const gap = fc.constantFrom(0, 0, 1, 48, 4_096);
const lane = fc.nat({ max: LANES - 1 });
const anyLane = fc.nat({ max: LETTERS });
const acknowledgements = fc.tuple(anyLane, fc.constantFrom(1, 2, 3, 5, 20, HUGE)).map((of) => acknowledge(...of));
const commits = fc.constantFrom(1, 34, 200).map(commit);
const commands = fc.commands<Model, Wire, false>(
  [
    gap.map(begin),
    fc.tuple(fc.integer({ min: 1, max: 4 }), lane, fc.constantFrom('row' as const, 'message' as const)).map((of) => events(...of)),
    fc.tuple(fc.constantFrom(1, 2, 3, HUGE), lane, fc.constant('row' as const)).map((of) => events(...of)),
    // Each once more, for they are needed more often.
    ...[commits, commits],
    ...[acknowledgements, acknowledgements],
    fc.nat({ max: 2 }).map(noise),
    gap.map(loneMessage),
    fc.constantFrom(0, 0, 1, 24, 34, 10_000).map(keepalive),
    fc.tuple(lane, fc.nat({ max: 50 })).map((of) => refuse(...of)),
    fc.constant(reconnect),
    fc.constant(acknowledgeStale),
  ],
  { maxCommands: 60, size: 'max' },
);

describe('the position that a stream session tells', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('is the end of the longest prefix that Kafka has, whatever is refused, comes in pieces, out of order or over a dead connection', async () => {
    await fc.assert(
      fc.asyncProperty(commands, async (sequence) => {
        const [model, real] = [new Model(), new Wire()];
        real.connect();
        await fc.asyncModelRun(() => ({ model, real }), sequence);
        // What is still under way arrives in the end; then all can be forgotten.
        const rest = [reconnect, ...model.lanes.map((_, each) => acknowledge(each, Infinity)), keepalive(500)];
        for (const command of rest) if (command.check(model)) await command.run(model, real);
        expect(model.told).toBe(model.wal);
        expect(model.log.flatMap(({ events: all }) => all).filter(({ durable }) => !durable)).toEqual([]);
        expect(real.session.unacknowledgedBytes).toBe(0);
        await real.session.close();
      }),
      { numRuns: 300 },
    );
  });
});
