import { describe, expect, it } from 'vitest';
import type { Session } from './database.ts';
import { OpenTransactionsWatch } from './open-transactions.ts';

const at = (minute: number): string => `2026-03-01T09:${minute.toString().padStart(2, '0')}:00.000000Z`;

/** What the server would answer, look by look. */
function sessionWith(
  ...looks: readonly { readonly now: string; readonly open: readonly (readonly [id: string, began: string | null, prepared?: string])[] }[]
) {
  const left = [...looks];
  const query = async () => {
    const look = left.shift()!;
    return look.open.length === 0
      ? [{ now: look.now, id: null, began: null, prepared: null }]
      : look.open.map(([id, began, prepared = null]) => ({ now: look.now, id, began, prepared }));
  };
  return { query } as unknown as Session;
}

describe('transactions that are open', () => {
  it('are known by when the oldest of them began, to the microsecond', async () => {
    const open = [
      ['1/1', at(5)],
      ['1/2', '2026-03-01T09:04:00.000200Z'],
      ['1/3', '2026-03-01T09:04:00.000900Z'],
    ] as const;
    const session = sessionWith({ now: at(10), open }, { now: at(11), open: [] });
    const watch = new OpenTransactionsWatch(3_600_000);
    expect(await watch.look(session)).toEqual({ before: '2026-03-01T09:04:00.000200Z', ignored: 0 });
    expect(await watch.look(session)).toEqual({ before: at(11), ignored: 0 });
  });

  it('began after the last look at which they were not there, where nobody says when', async () => {
    const session = sessionWith(
      { now: at(10), open: [] },
      { now: at(11), open: [['2/7', null]] },
      {
        now: at(12),
        open: [
          ['2/7', null],
          ['2/8', null],
        ],
      },
      { now: at(13), open: [['2/8', null]] },
    );
    const watch = new OpenTransactionsWatch(3_600_000);
    const looks = [await watch.look(session), await watch.look(session), await watch.look(session), await watch.look(session)];
    expect(looks.map(({ before }) => before)).toEqual([at(10), at(10), at(10), at(11)]);
  });

  it('are waited for from the first look on, and not for longer than that when they are forgotten', async () => {
    const open = [['3/1', null]] as const;
    const session = sessionWith({ now: at(10), open }, { now: at(11), open }, { now: at(12), open: [['3/2', at(1)]] });
    const watch = new OpenTransactionsWatch(600_000);
    const first = await watch.look(session);
    expect([Date.parse(first.before), first.ignored]).toEqual([Date.parse(at(0)), 0]);
    expect(await watch.look(session)).toEqual({ before: at(11), ignored: 1 });
    expect(await watch.look(session)).toEqual({ before: at(12), ignored: 1 });
  });

  it('are waited for when they were prepared, too: since the oldest that was open before, or for as long before as is waited for', async () => {
    const watch = new OpenTransactionsWatch(600_000);
    const prepared = [['prepared 700', null, at(11)]] as const;
    const session = sessionWith(
      { now: at(10), open: [['1/1', at(9)]] },
      { now: at(12), open: prepared },
      { now: at(20), open: prepared },
      { now: at(22), open: prepared },
    );
    expect(await watch.look(session)).toEqual({ before: at(9), ignored: 0 });
    expect(await watch.look(session)).toEqual({ before: at(9), ignored: 0 });
    expect(await watch.look(session)).toEqual({ before: at(9), ignored: 0 });
    expect(await watch.look(session)).toEqual({ before: at(22), ignored: 1 });

    const later = new OpenTransactionsWatch(600_000);
    const found = sessionWith({ now: at(12), open: prepared }, { now: at(13), open: prepared });
    for (let look = 0; look < 2; look += 1) {
      const { before, ignored } = await later.look(found);
      expect([Date.parse(before), ignored]).toEqual([Date.parse(at(1)), 0]);
    }
  });
});
