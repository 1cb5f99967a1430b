import { describe, expect, it } from 'vitest';
import type { PipelineDefinition } from '../core/define-pipeline.ts';
import { parseRoles } from './roles.ts';

const pipeline = {
  domains: [
    { name: 'image', captured: true, events: [], aggregates: [] },
    { name: 'scan', captured: true, events: [], aggregates: [], processor: { domain: 'scan', reactions: [{}] } },
    { name: 'notification', captured: false, events: [], aggregates: [], processor: { domain: 'notification', reactions: [{}] } },
  ],
  projections: [{ name: 'scan-history' }],
} as unknown as PipelineDefinition;

describe('roles', () => {
  it('of kind stand for all of the kind that there are', () => {
    expect(parseRoles(['all'], pipeline)).toEqual({
      api: true,
      relays: ['image', 'scan'],
      processors: ['scan', 'notification'],
      projectors: ['scan-history'],
      flows: true,
    });
    expect(parseRoles(['relay', 'processor:scan'], pipeline)).toEqual({
      api: false,
      relays: ['image', 'scan'],
      processors: ['scan'],
      projectors: [],
      flows: false,
    });
    expect(parseRoles(['flows'], pipeline)).toEqual({ api: false, relays: [], processors: [], projectors: [], flows: true });
  });

  it.each([[['relay:notification']], [['processor:image']], [['worker']], [['api', 'relay:']], [[]]])(
    'refuse %j and say what there is',
    (words) => {
      expect(() => parseRoles(words, pipeline)).toThrow(/Roles: all, api, flows, relay, relay:image/);
    },
  );
});
