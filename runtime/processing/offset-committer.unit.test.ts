import { describe, expect, it } from 'vitest';
import { SILENT_LOGGER } from '../../core/log.ts';
import { offset, type Offset } from '../../core/offset.ts';
import { NO_FAILPOINT } from './failpoint.ts';
import { OffsetCommitter } from './offset-committer.ts';

interface Place {
  readonly topic: string;
  readonly partition: number;
  closed: boolean;
  uncommitted: Offset | undefined;
  committed(next: Offset): void;
}

function place(partition: number, next: bigint): Place {
  const of: Place = { topic: 'events.happened', partition, closed: false, uncommitted: offset(next), committed: () => undefined };
  of.committed = () => void (of.uncommitted = undefined);
  return of;
}

describe('a commit that waits for its turn', () => {
  it('leaves out a partition that was fenced meanwhile, and takes the others as they stand by then', async () => {
    const asked: (readonly [partition: number, offset: Offset])[][] = [];
    let answer = (_ours: boolean): void => undefined;
    const committer = new OffsetCommitter({
      consumer: {
        commit: async (positions) => {
          asked.push(positions.map(({ partition, offset: to }) => [partition, to]));
          return new Promise((resolve) => (answer = resolve));
        },
      },
      logger: SILENT_LOGGER,
      failpoint: NO_FAILPOINT,
    });
    const [kept, gone] = [place(0, 5n), place(1, 7n)];
    const first = committer.commit([kept, gone]);
    await new Promise(setImmediate);
    const second = committer.commit([kept, gone]);
    gone.closed = true;
    gone.uncommitted = offset(9n);
    answer(false);
    expect(await first).toBe(false);
    await new Promise(setImmediate);
    answer(true);
    expect(await second).toBe(true);
    expect(asked).toEqual([
      [
        [0, 5n],
        [1, 7n],
      ],
      [[0, 5n]],
    ]);
  });
});
