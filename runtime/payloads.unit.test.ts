import { describe, expect, it } from 'vitest';
import { Names } from '../core/names.ts';
import { pipeline } from '../pipeline.ts';
import type { SchemaRegistry } from '../schemas/registry.ts';
import { createPayloads } from './payloads.ts';

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
