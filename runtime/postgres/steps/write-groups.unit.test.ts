import { describe, expect, it } from 'vitest';
import type { StateChange } from '../../../core/define.ts';
import type { DecidedStep } from './decide-step.ts';
import { decidedChange } from './decided-change.ts';
import { writeGroups } from './write-groups.ts';

const touching = (name: string, ...changes: readonly StateChange[]) =>
  ({ name, changes: changes.map(decidedChange), rows: [] }) as unknown as DecidedStep & { name: string };
const row = (id: string, table = 'owners'): StateChange => ({ op: 'update', table, key: { id }, set: { x: 1 } });
const names = (steps: readonly (DecidedStep & { name: string })[]) => writeGroups(steps).map((group) => group.map(({ name }) => name));

describe('decided steps', () => {
  it('share a statement as long as no row is changed twice, and keep their order', () => {
    const steps = [touching('a', row('1')), touching('b', row('2')), touching('c', row('1')), touching('d', row('2'))];
    expect(names(steps)).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
    expect(names([touching('a', row('1')), touching('b', row('1', 'accounts')), touching('c')])).toEqual([['a', 'b', 'c']]);
    expect(names([])).toEqual([]);
  });

  it('do not share one when they name rows of a table by different columns', () => {
    const other: StateChange = { op: 'delete', table: 'owners', key: { nickname: '1' } };
    expect(names([touching('a', row('1')), touching('b', other)])).toEqual([['a'], ['b']]);
  });

  it('do not share one when it would become too large', () => {
    const large = (name: string) =>
      ({ name, changes: [], rows: [{ payloadJson: 'x'.repeat(1_500_000) }] }) as unknown as DecidedStep & { name: string };
    expect(names(['a', 'b', 'c'].map(large))).toEqual([['a', 'b'], ['c']]);
  });
});
