import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/support/manual-clock.ts';
import type { Watched } from './attempt-deadlines.ts';
import { AttemptDeadlines } from './attempt-deadlines.ts';

describe('deadlines of attempts', () => {
  const watching = () => {
    const clock = new ManualClock();
    const deadlines = new AttemptDeadlines(clock);
    const expired: string[] = [];
    const watch = (name: string, timeoutMs: number) => {
      const ofLength = deadlines.of(timeoutMs);
      const watched: Watched = {
        deadlineMs: ofLength.deadlineMs(),
        earlier: undefined,
        later: undefined,
        expire: () => void expired.push(name),
      };
      ofLength.watch(watched);
      return { release: () => ofLength.release(watched) };
    };
    return { clock, deadlines, expired, watch };
  };

  it('expire each after its own time, also when a longer one began first', async () => {
    const { clock, expired, watch } = watching();
    watch('long', 30_000);
    await clock.advance(1_000);
    watch('short', 5_000);
    await clock.advance(4_999);
    expect(expired).toEqual([]);
    await clock.advance(1);
    expect(expired).toEqual(['short']);
    await clock.advance(24_000);
    expect(expired).toEqual(['short', 'long']);
  });

  it('that are released in time never expire, and those that begin later still do', async () => {
    const { clock, expired, watch } = watching();
    const ended = watch('ended', 5_000);
    await clock.advance(4_000);
    ended.release();
    watch('next', 5_000);
    await clock.advance(4_999);
    expect(expired).toEqual([]);
    await clock.advance(1);
    expect(expired).toEqual(['next']);
  });

  it('that are released leave the others as they are, wherever they stood, and however often', async () => {
    const { clock, expired, watch } = watching();
    const [first, , middle, , last] = ['a', 'b', 'c', 'd', 'e'].map((name) => watch(name, 5_000));
    for (const ended of [middle, first, last, middle, first, last]) ended!.release();
    watch('f', 5_000);
    await clock.advance(5_000);
    expect(expired).toEqual(['b', 'd', 'f']);
  });

  it('are silent once they are stopped, also those of a length that comes later', async () => {
    const { clock, deadlines, expired, watch } = watching();
    watch('first', 5_000);
    await clock.advance(0);
    deadlines.stop();
    watch('second', 7_000);
    await clock.advance(60_000);
    expect(expired).toEqual([]);
  });
});
