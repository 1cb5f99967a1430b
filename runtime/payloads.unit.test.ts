import { describe, expect, it } from 'vitest';
import { defineDomain, defineEvent } from '../core/define.ts';
import { Names } from '../core/names.ts';
import { pipeline } from '../pipeline.ts';
import type { SchemaRegistry } from '../schemas/registry.ts';
import { consumedRecord } from '../test/support/consumed-record.ts';
import { recordKey } from './postgres/event-rows.ts';
import { createPayloads, keyedDecoder } from './payloads.ts';

describe('what a process will need of the registry', () => {
  /** Notes what it is asked, and answers that it is away. */
  function asked(wireFormat: 'avro' | 'json') {
    const subjects: { ids: string[]; read: string[] } = { ids: [], read: [] };
    const registry = {
      idOf: async (subject: string) => {
        subjects.ids.push(subject);
        throw new Error('away');
      },
      preload: async (read: readonly string[]) => {
        subjects.read.push(...read);
        return 0;
      },
    } as unknown as SchemaRegistry;
    const payloads = createPayloads(pipeline, { registry: () => registry, config: { names: new Names('n'), wireFormat } });
    return { subjects, service: payloads.preload({ read: ['ScanCompleted'], written: ['ImageRegistered', 'ImageDeleted'] }) };
  }

  it('is asked for when it starts, and a registry that is away holds nothing up', async () => {
    const { subjects, service } = asked('avro');
    await service.start(new AbortController().signal);
    expect(subjects.ids).toEqual(['n.events.image.registered-value', 'n.events.image.deleted-value']);
    expect(subjects.read).toEqual(['n.events.scan.completed-value']);
    await service.stop(new AbortController().signal);
  });

  it('is no id where payloads are written as JSON', async () => {
    const { subjects, service } = asked('json');
    await service.start(new AbortController().signal);
    expect(subjects.ids).toEqual([]);
  });
});

describe('the key of a record', () => {
  const meterRead = defineEvent<'MeterRead', { readonly meter_id: number | bigint | string }>({
    type: 'MeterRead',
    domain: 'meter',
    keyField: 'meter_id',
  });
  const domains = [defineDomain({ name: 'meter', events: [meterRead], aggregates: [], captured: true })];
  const read = (key: string | null, meter_id: unknown) => {
    const decoder = keyedDecoder({ domains, projections: [] }, { decode: async () => ({ meter_id }) });
    return decoder.decode('MeterRead', consumedRecord({ at: 0, key, type: 'MeterRead' }));
  };

  it('is that of its payload, as it is written, also when that is a number', async () => {
    for (const meter_id of [42, 9_007_199_254_740_993n, '0042']) {
      await expect(read(recordKey(meterRead, { meter_id }), meter_id)).resolves.toEqual({ meter_id });
    }
  });

  it.each([
    ['another number', '43', 42],
    ['none', null, 42],
    ['digits of a field that has none', 'true', true],
  ])('is refused when it is %s', async (_, key, meter_id) => {
    await expect(read(key, meter_id)).rejects.toMatchObject({ code: 'PAYLOAD_INVALID' });
  });
});
