import { describe, expect, it } from 'vitest';
import type { LogSlice } from '../../core/log-reader.ts';
import { offset } from '../../core/offset.ts';
import { consumedRecord } from '../../test/support/consumed-record.ts';
import type { Lookout } from './backlog.ts';
import { Backlog } from './backlog.ts';

const HAPPENED = { topic: 'events.happened', partition: 0 };

/** A log from 10 to 20, with records at some offsets; the group has committed 12. */
function lookoutOn(records: readonly bigint[]): Lookout & { readonly reads: bigint[] } {
  const reads: bigint[] = [];
  return {
    reads,
    offsets: async () => [{ ...HAPPENED, earliest: offset(10n), end: offset(20n) }],
    committed: async () => [{ ...HAPPENED, offset: offset(12n) }],
    read: async (_partition, from): Promise<LogSlice> => {
      reads.push(from);
      const found = records.filter((at) => at >= from).map((at) => consumedRecord({ at: Number(at) }));
      // Markers and what compaction left bring nothing, a piece at a time.
      return { records: found, next: found.length > 0 ? offset(found.at(-1)!.offset + 1n) : offset(from + 4n), end: offset(20n) };
    },
  };
}

describe('the backlog of a quiet partition', () => {
  it('is there when the log holds a record at or behind its position', async () => {
    const backlog = new Backlog(lookoutOn([19n]), 'reader');
    expect(await backlog.look([{ ...HAPPENED, position: offset(15n) }])).toEqual([{ position: 15n, end: 20n, isBehind: true }]);
  });

  it('begins at what is committed when nothing has come since the partition was assigned', async () => {
    const backlog = new Backlog(lookoutOn([12n]), 'reader');
    expect(await backlog.look([{ ...HAPPENED, position: undefined }])).toEqual([{ position: 12n, end: 20n, isBehind: true }]);
  });

  it('is none when only markers lie before the end, and those are read once', async () => {
    const lookout = lookoutOn([]);
    const backlog = new Backlog(lookout, 'reader');
    for (let look = 0; look < 3; look += 1)
      expect(await backlog.look([{ ...HAPPENED, position: offset(15n) }])).toEqual([{ position: 15n, end: 20n, isBehind: false }]);
    expect(lookout.reads).toEqual([15n, 19n]);
  });

  it('is none at the end, and nothing is read', async () => {
    const lookout = lookoutOn([19n]);
    const backlog = new Backlog(lookout, 'reader');
    expect(await backlog.look([{ ...HAPPENED, position: offset(20n) }])).toEqual([{ position: 20n, end: 20n, isBehind: false }]);
    expect(lookout.reads).toEqual([]);
  });

  it('is not known of a partition that the broker does not know', async () => {
    const backlog = new Backlog(lookoutOn([19n]), 'reader');
    expect(await backlog.look([{ topic: 'events.gone', partition: 0, position: undefined }])).toEqual([undefined]);
  });
});
