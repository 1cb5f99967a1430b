import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { AcknowledgeWitness } from './acknowledge-witness.ts';
import type { ProduceSighting } from './produce-tap.ts';
import { ProduceTap } from './produce-tap.ts';
import { ReplicationTap } from './replication-tap.ts';

const bytes = (...parts: (number | string | Buffer)[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'number' ? Buffer.from([part]) : Buffer.from(part))));
const int16 = (value: number): Buffer => {
  const buffer = Buffer.alloc(2);
  buffer.writeInt16BE(value);
  return buffer;
};
const int32 = (value: number): Buffer => {
  const buffer = Buffer.alloc(4);
  buffer.writeInt32BE(value);
  return buffer;
};
const int64 = (value: bigint): Buffer => {
  const buffer = Buffer.alloc(8);
  buffer.writeBigInt64BE(value);
  return buffer;
};

/** In pieces of every size from one byte on, as a network may deliver them. */
function* pieces(whole: Buffer): Generator<Buffer> {
  for (let at = 0, size = 1; at < whole.length; at += size, size = (size % 7) + 1) yield whole.subarray(at, at + size);
}

describe('the tap on replication', () => {
  const typed = (type: string, body: Buffer): Buffer => bytes(type, int32(4 + body.length), body);
  const startup = bytes(int32(9), int32(196_608), 0);
  const xlog = (message: Buffer): Buffer => typed('d', bytes('w', int64(0n), int64(0n), int64(0n), message));
  const begin = (commitLsn: bigint): Buffer => xlog(bytes('B', int64(commitLsn), int64(0n), int32(7)));
  const commit = (commitLsn: bigint, end: bigint): Buffer => xlog(bytes('C', 0, int64(commitLsn), int64(end), int64(0n)));
  const relation = (oid: number, name: string): Buffer => {
    const column = (title: string): Buffer => bytes(0, title, 0, int32(2950), int32(-1));
    return xlog(bytes('R', int32(oid), 'image', 0, name, 0, 'd', int16(2), column('note'), column('id')));
  };
  const insert = (oid: number, id: string): Buffer => xlog(bytes('I', int32(oid), 'N', int16(2), 'n', 't', int32(id.length), id));
  const keepalive = (end: bigint): Buffer => typed('d', bytes('k', int64(end), int64(0n), 0));
  const status = (flush: bigint): Buffer => typed('d', bytes('r', int64(flush + 99n), int64(flush), int64(flush), int64(0n), 0));
  const stream = bytes(relation(1, 'outbox'), relation(2, 'notes'), begin(100n), insert(1, 'a'), insert(2, 'x'), commit(100n, 140n));

  const tapped = () => {
    const witness = new AcknowledgeWitness();
    return { witness, tap: new ReplicationTap(witness) };
  };

  it('sees a position that was told before a row of its transaction was acknowledged, however the bytes are cut', () => {
    const { witness, tap } = tapped();
    for (const piece of pieces(bytes(startup, typed('Q', Buffer.from('START_REPLICATION\0'))))) tap.fromClient(piece);
    for (const piece of pieces(stream)) tap.fromServer(piece);
    for (const piece of pieces(status(140n))) tap.fromClient(piece);
    expect(witness.breaches).toEqual(['row a, committed at 0/64, was told as durable by 0/8C before Kafka acknowledged it']);
  });

  it('sees events that are messages, and not those of somebody else or of no transaction', () => {
    const { witness, tap } = tapped();
    const message = (flags: number, prefix: string, id: string): Buffer => {
      const content = JSON.stringify({ id });
      return xlog(bytes('M', flags, int64(90n), prefix, 0, int32(content.length), content));
    };
    const all = [message(0, 'millrace.outbox', 'lone'), begin(100n), message(1, 'theirs', 'x'), message(1, 'millrace.outbox', 'fired')];
    for (const piece of pieces(bytes(...all, commit(100n, 140n)))) tap.fromServer(piece);
    tap.fromClient(bytes(startup, status(140n)));
    expect(witness.breaches).toEqual(['row fired, committed at 0/64, was told as durable by 0/8C before Kafka acknowledged it']);
  });

  it('sees that all is well when it is', () => {
    const { witness, tap } = tapped();
    tap.fromClient(startup);
    tap.fromServer(bytes(stream, keepalive(200n)));
    witness.acknowledged(['a']);
    tap.fromClient(bytes(status(0n), status(140n), status(200n)));
    expect(witness.breaches).toEqual([]);
    expect(witness.statuses).toBe(2);
  });

  it('says so when it cannot read', () => {
    const { witness, tap } = tapped();
    tap.fromClient(bytes(int32(8), int32(80_877_103)));
    tap.fromServer(bytes(begin(100n), insert(1, 'a')));
    expect(witness.breaches).toEqual([expect.stringContaining('encrypted'), expect.stringContaining('unknown relation')]);
  });
});

describe('the tap on produce requests', () => {
  const zigzag = (value: number): Buffer => unsigned(value < 0 ? -2 * value - 1 : 2 * value);
  const unsigned = (value: number): Buffer => (value < 128 ? bytes(value) : bytes((value & 127) | 128, unsigned(value >> 7)));
  const text = (value: string): Buffer => bytes(int16(value.length), value);
  const compact = (value: string): Buffer => bytes(unsigned(value.length + 1), value);
  const record = (id: string): Buffer => {
    const body = bytes(0, 0, 0, zigzag(1), 'k', zigzag(-1), zigzag(2), zigzag(1), 'z', zigzag(-1), zigzag(2), 'id', zigzag(id.length), id);
    return bytes(zigzag(body.length), body);
  };
  const batch = (ids: readonly string[], compression = 0): Buffer => {
    const records = bytes(...ids.map(record));
    const head = bytes(int32(0), 2, int32(0), int16(compression), Buffer.alloc(4 + 8 + 8 + 8 + 2 + 4), int32(ids.length));
    const body = bytes(head, compression === 1 ? gzipSync(records) : records);
    return bytes(int64(0n), int32(body.length), body);
  };
  const framed = (body: Buffer): Buffer => bytes(int32(body.length), body);

  const request = (version: number, correlationId: number, records: Buffer, acks = -1): Buffer => {
    const head = bytes(int16(0), int16(version), int32(correlationId), text('client'));
    const flexible = version >= 9;
    return framed(
      flexible
        ? bytes(head, 0, 0, int16(acks), int32(1), 2, compact('t'), 2, int32(0), unsigned(records.length + 1), records, 0, 0, 0)
        : bytes(head, int16(-1), int16(acks), int32(1), int32(1), text('t'), int32(1), int32(0), int32(records.length), records),
    );
  };
  const response = (version: number, correlationId: number, errorCode: number): Buffer => {
    const flexible = version >= 9;
    const fixed = bytes(int32(0), int16(errorCode), Buffer.alloc(version >= 5 ? 24 : 16));
    const errors = flexible ? bytes(1, 0) : version >= 8 ? bytes(int32(0), int16(-1)) : Buffer.alloc(0);
    return framed(
      flexible
        ? bytes(int32(correlationId), 0, 2, compact('t'), 2, fixed, errors, 0, 0, int32(0), 0)
        : bytes(int32(correlationId), int32(1), text('t'), int32(1), fixed, errors, int32(0)),
    );
  };

  const tapped = () => {
    const witness = new AcknowledgeWitness();
    const seen: ProduceSighting[] = [];
    return { witness, seen, tap: new ProduceTap(witness, (sighting) => seen.push(sighting)) };
  };

  it.each([3, 5, 7, 8, 9, 11])('reads the ids of a request and the answer to it, version %i, however the bytes are cut', (version) => {
    const { witness, seen, tap } = tapped();
    for (const piece of pieces(bytes(request(version, 5, batch(['a', 'b'])), request(version, 6, batch(['c']))))) tap.fromClient(piece);
    expect(witness.isAcknowledged('a')).toBe(false);
    for (const piece of pieces(bytes(response(version, 6, 0), response(version, 5, 10)))) tap.fromServer(piece);
    expect(witness.breaches).toEqual([]);
    expect(seen).toEqual([
      { partition: 't/0', ids: ['c'], errorCode: 0 },
      { partition: 't/0', ids: ['a', 'b'], errorCode: 10 },
    ]);
    expect([...witness.acknowledgedIds]).toEqual(['c']);
  });

  it('takes the answer for a batch that the broker had already as an acknowledgement', () => {
    const { witness, tap } = tapped();
    tap.fromClient(request(7, 1, bytes(batch(['a'], 1), batch(['b']))));
    tap.fromServer(response(7, 1, 46));
    expect([...witness.acknowledgedIds]).toEqual(['a', 'b']);
  });

  it('says so when it cannot read, and when an answer will promise nothing', () => {
    const { witness, tap } = tapped();
    tap.fromClient(request(7, 1, batch(['a'], 4)));
    tap.fromClient(request(7, 2, batch(['a']), 1));
    tap.fromClient(request(13, 3, batch(['a'])));
    expect(witness.breaches).toEqual([
      expect.stringContaining('compression 4'),
      expect.stringContaining('acks=1'),
      expect.stringContaining('Produce v13'),
    ]);
  });
});
