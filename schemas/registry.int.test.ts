import { SchemaRegistry as Client, SchemaType } from '@kafkajs/confluent-schema-registry';
import { afterAll, describe, expect, it } from 'vitest';
import { SILENT_LOGGER } from '../core/log.ts';
import { offset } from '../core/offset.ts';
import { utf8 } from '../core/record.ts';
import { services, uniqueNamespace } from '../test/support/services.ts';
import { createAvroEncoder, createPayloadDecoder } from './codec.ts';
import type { AvroRecord } from './avro-schema.ts';
import { SCHEMAS } from './generated/events.ts';
import { createSchemaRegistry } from './registry.ts';

const namespace = uniqueNamespace('registry');
const [v1, v2] = SCHEMAS.ScanCompleted.versions as readonly [AvroRecord, AvroRecord];
/** This version's own view of the event: the second schema, whatever came after it. */
const schemaOf = (): AvroRecord => v2;
const payload = { scan_id: 's', user_id: 'u', category: 'paper', reward_eligible: true, confidence: 0.5, version: '2.0' };
const subjects: string[] = [];

function subject(): string {
  const name = `${namespace}-${subjects.length}-value`;
  subjects.push(name);
  return name;
}

function registry() {
  return createSchemaRegistry({ url: services().registryUrl, logger: SILENT_LOGGER });
}

function record(value: Uint8Array) {
  return { topic: 't', partition: 0, offset: offset(0n), key: null, value, headers: [], timestampMs: 0 };
}

afterAll(async () => {
  for (const name of subjects) await fetch(`${services().registryUrl}/subjects/${name}`, { method: 'DELETE' });
});

describe('a real schema registry', () => {
  it('takes versions in order, and has nothing to do the second time', async () => {
    const name = subject();
    const first = await registry().register(name, v1);
    expect(first.changed).toBe(true);
    const second = await registry().register(name, v2);
    expect(second.changed).toBe(true);
    for (const [schema, { id }] of [
      [v1, first],
      [v2, second],
    ] as const) {
      const again = registry();
      expect(await again.register(name, schema)).toEqual({ id, changed: false });
      expect(await again.idOf(name, schema)).toBe(id);
      expect(await again.schemaById(id)).toEqual(schema);
    }
    expect(await registry().latestId(name)).toBe(second.id);
  });

  it('refuses a schema that could not read what is there', async () => {
    const name = subject();
    await registry().register(name, v1);
    const broken = { ...v1, fields: [...v1.fields, { name: 'needed', type: 'string' as const }] };
    expect(await registry().checkCompatible(name, v2)).toBe(true);
    expect(await registry().checkCompatible(name, broken)).toBe(false);
    await expect(registry().register(name, broken)).rejects.toMatchObject({ code: 'CONFIGURATION_INVALID' });
    expect(await registry().checkCompatible(subject(), broken)).toBe(true);
  });

  it('does not know what was never registered', async () => {
    await expect(registry().latestId(subject())).rejects.toMatchObject({ code: 'SCHEMA_UNKNOWN' });
    await expect(registry().schemaById(987_654_321)).rejects.toMatchObject({ code: 'SCHEMA_UNKNOWN' });
    await expect(registry().idOf(subject(), v1)).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
  });

  it('lets other clients read what we write, and us what they write', async () => {
    const name = subject();
    const ours = registry();
    await ours.register(name, v1);
    await ours.register(name, v2);
    const theirs = new Client({ host: services().registryUrl });

    const encoder = createAvroEncoder({ registry: ours, subjectOf: () => name, schemaOf });
    const { value } = await encoder.encode('ScanCompleted', utf8(JSON.stringify(payload)));
    expect({ ...((await theirs.decode(Buffer.from(value))) as object) }).toEqual(payload);

    const oldId = await theirs.getRegistryIdBySchema(name, { type: SchemaType.AVRO, schema: JSON.stringify(v1) });
    const written = await theirs.encode(oldId, { scan_id: 's', user_id: 'u', category: 'paper', reward_eligible: true });
    const decoder = createPayloadDecoder({ registry: registry(), readerSchemaOf: schemaOf });
    expect(await decoder.decode('ScanCompleted', record(written))).toEqual({ ...payload, confidence: null });
  });
});
