import { describe, expect, it } from 'vitest';
import { readLogicalEvent, refuseLoneMessage } from './logical-event.ts';
import { OutboxRow } from './outbox-row.ts';

function read(text: string): OutboxRow {
  const row = new OutboxRow();
  const bytes = Buffer.from(`before${text}behind`);
  readLogicalEvent(row, bytes, 6, 6 + Buffer.byteLength(text));
  return row;
}

const textOf = (row: OutboxRow, name: 'id' | 'type' | 'payload' | 'version' | 'request_id' | 'topic') => row.text(name)?.toString() ?? null;

describe('an event in a logical message', () => {
  it('has the texts of its members as columns, and its payload byte for byte', () => {
    const payload = String.raw`{ "n": 12345678901234567890, "s": "a\"}{,", "z": [1.50, {"q": "]"}], "a":null }`;
    const row = read(`{"id": "1", "type":"Zażółć","version": 41 , "request_id": null,"payload": ${payload} , "unknown": {"x": [1]}}`);
    expect(textOf(row, 'payload')).toBe(payload);
    expect(textOf(row, 'id')).toBe('1');
    expect(textOf(row, 'type')).toBe('Zażółć');
    expect(textOf(row, 'version')).toBe('41');
    expect(textOf(row, 'request_id')).toBeNull();
    expect(textOf(row, 'topic')).toBeNull();
    expect(row.payloadIsBinary).toBe(false);
  });

  it('reads escapes in names and texts, and counts the last of a name that comes twice', () => {
    const row = read(String.raw`{"\u0069d": "a\u00e9\n\"b", "type": "first", "type": "second"}`);
    expect(textOf(row, 'id')).toBe('aé\n"b');
    expect(textOf(row, 'type')).toBe('second');
  });

  it('reads an object without members, and one without spaces', () => {
    expect(textOf(read('{}'), 'id')).toBeNull();
    expect(textOf(read('{"version":7}'), 'version')).toBe('7');
    expect(textOf(read('\n { "version" : 7 } '), 'version')).toBe('7');
  });

  it.each(['', '[]', '"text"', '7', 'null', '{"id": "1"', '{"id": 01}', '{id: 1}'])('is not %j', (text) => {
    expect(() => read(text)).toThrow(expect.objectContaining({ code: 'PAYLOAD_UNREADABLE' }));
  });

  it.each(['"text"', '7', '[1]', 'true'])('has no payload %s', (payload) => {
    expect(() => read(`{"payload": ${payload}}`)).toThrow(expect.objectContaining({ code: 'PAYLOAD_INVALID' }));
  });

  it('is none when the message is not transactional', () => {
    expect(() => refuseLoneMessage(new OutboxRow(), Buffer.from('{}'), 0, 2)).toThrow(
      expect.objectContaining({ code: 'ENVELOPE_INVALID' }),
    );
  });
});
