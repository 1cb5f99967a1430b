import { describe, expect, it } from 'vitest';
import type { AvroField } from './avro-schema.ts';
import { renderEventTypes } from './event-types.ts';
import type { SchemaFile } from './schema-rules.ts';
import { schemaFaults } from './schema-rules.ts';

const id: AvroField = { name: 'id', type: 'string', doc: 'The thing.' };
const size: AvroField = { name: 'size', type: 'int', doc: 'How large.' };
const note: AvroField = { name: 'note', type: ['null', 'string'], default: null, doc: 'What is said.' };

function file(version: number, fields: readonly AvroField[], other: Partial<SchemaFile['schema']> = {}): SchemaFile {
  const schema = { type: 'record', name: 'ThingMade', namespace: 'eco2.shop', doc: 'A thing was made.', fields, ...other } as const;
  return { path: `shop/thing-made.v${version}.avsc`, domain: 'shop', event: 'thing-made', version, schema };
}

describe('a new version', () => {
  it('may add a field that has a default, and widen a number', () => {
    expect(schemaFaults([file(1, [id, size]), file(2, [id, { ...size, type: 'double' }, note])])).toEqual([]);
  });

  it.each([
    ['adds a field without a default', [id, size], /cannot read version 1/],
    ['changes a type', [{ ...id, type: 'int' } as const], /cannot read version 1/],
    ['removes a field', [note], /field id was removed; deprecate it instead/],
  ])('is refused when it %s', (_, fields: readonly AvroField[], fault) => {
    expect(schemaFaults([file(1, [id]), file(2, fields)])).toEqual([expect.stringMatching(fault)]);
  });

  it('is compared with the one before it, in whatever order the files are found', () => {
    expect(schemaFaults([file(2, [id, size]), file(1, [id])])).toEqual([expect.stringMatching(/v2.avsc: cannot read version 1/)]);
  });

  it('does not leave one out', () => {
    expect(schemaFaults([file(1, [id]), file(3, [id])])).toEqual(['shop/thing-made.v3.avsc: version 2 is missing']);
  });
});

describe('a schema file', () => {
  it.each([
    [file(1, [id], { name: 'ThingSold' }), 'the record ThingSold belongs into thing-sold.v<version>.avsc'],
    [file(1, [id], { namespace: 'eco2.scan' }), 'the namespace must be eco2.shop'],
    [file(1, [{ name: 'id', type: 'string' }]), 'field id has no doc'],
    [
      file(1, [{ ...note, type: ['string', 'null'], default: 'x' }]),
      'field note: a union is null and one other type, with null as its default',
    ],
    [
      file(1, [{ name: 'note', type: ['null', 'string'], doc: 'No default.' }]),
      'field note: a union is null and one other type, with null as its default',
    ],
  ])('is refused by its name, its docs and its unions: %#', (broken, fault) => {
    expect(schemaFaults([broken])).toEqual([`shop/thing-made.v1.avsc: ${fault}`]);
  });
});

describe('the generated types', () => {
  it('are those of the latest version, with every version as a constant', () => {
    const text = renderEventTypes([file(2, [id, size, note]), file(1, [id])]);
    expect(text).toContain('export type ThingMade = {');
    expect(text).toContain('readonly size: number;');
    expect(text).toContain('readonly note?: string | null;');
    expect(text).toContain('ThingMade: { latest: ThingMadeV2, versions: [ThingMadeV1, ThingMadeV2] },');
  });

  it('are the same bytes whatever the order of the files', () => {
    const other: SchemaFile = { ...file(1, [id], { name: 'ThingSold' }), path: 'shop/thing-sold.v1.avsc', event: 'thing-sold' };
    const files = [file(1, [id]), other, file(2, [id, note])];
    expect(renderEventTypes([...files].reverse())).toBe(renderEventTypes(files));
  });

  it('refuse what plain JSON cannot hold exactly', () => {
    expect(() => renderEventTypes([file(1, [{ ...id, type: 'long' }])])).toThrow(RangeError);
    expect(() => renderEventTypes([file(1, [{ ...id, type: 'bytes' }])])).toThrow(RangeError);
  });
});
