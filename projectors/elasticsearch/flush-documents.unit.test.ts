import { describe, expect, it } from 'vitest';
import type { Clock } from '../../core/clock.ts';
import { ClassifiedError } from '../../core/errors.ts';
import { eagerClock } from '../../test/support/eager-clock.ts';
import { ModelDocumentStore } from '../../test/support/model-stores.ts';
import { HistoryBuilder } from '../../test/support/user-history.ts';
import { scanHistory } from '../scan-history/scan-history.ts';
import type { DocumentWrite, WriteResult } from './document-store.ts';
import { flushDocuments } from './flush-documents.ts';

/** A store that answers a write as it is told, and then as it is. */
class ScriptedStore extends ModelDocumentStore {
  readonly attempts: string[][] = [];
  private readonly script: ((write: DocumentWrite) => WriteResult | undefined)[];

  constructor(...script: ((write: DocumentWrite) => WriteResult | undefined)[]) {
    super();
    this.script = script;
  }

  override async write(writes: readonly DocumentWrite[]): Promise<readonly WriteResult[]> {
    this.attempts.push(writes.map(({ id }) => id));
    const told = this.script.shift();
    const results: WriteResult[] = [];
    for (const write of writes) results.push(told?.(write) ?? (await super.write([write]))[0]!);
    return results;
  }
}

const user = new HistoryBuilder('user-1');
const request = (scan_id: string) => user.add('ScanRequested', { scan_id, user_id: 'user-1' });
const changeOf = (event: ReturnType<typeof request>) => ({ id: event.payload.scan_id, event, history: undefined });
const [a, b] = [changeOf(request('a')), changeOf(request('b'))];
const BUSY: WriteResult = { kind: 'busy' };
const CONFLICT: WriteResult = { kind: 'conflict' };

describe('flushing documents', () => {
  it('sends again only what the server had no room for, after longer and longer waits', async () => {
    const waits: number[] = [];
    const clock: Clock = { ...eagerClock, sleep: async (ms) => void waits.push(ms) };
    const busyForA = ({ id }: DocumentWrite) => (id === 'a' ? BUSY : undefined);
    const store = new ScriptedStore(busyForA, busyForA);
    expect(await flushDocuments(store, scanHistory, clock, [a, b])).toEqual([
      { ok: true, value: 'applied' },
      { ok: true, value: 'applied' },
    ]);
    expect(store.attempts).toEqual([['a', 'b'], ['a'], ['a']]);
    expect(waits).toHaveLength(2);
    expect(waits[0]).toSatisfy((ms: number) => ms >= 37.5 && ms <= 62.5);
    expect(waits[1]).toSatisfy((ms: number) => ms >= 75 && ms <= 125);
  });

  it('calls a server that never has room an outage', async () => {
    const store = new ScriptedStore(...Array.from({ length: 50 }, () => () => BUSY));
    expect(await flushDocuments(store, scanHistory, eagerClock, [a])).toMatchObject([
      { ok: false, error: { code: 'ELASTICSEARCH_UNAVAILABLE' } },
    ]);
    expect(store.attempts).toHaveLength(5);
  });

  it('folds again after a conflict, and gives up when somebody else always wins', async () => {
    const once = new ScriptedStore(() => CONFLICT);
    expect(await flushDocuments(once, scanHistory, eagerClock, [a])).toEqual([{ ok: true, value: 'applied' }]);
    const always = new ScriptedStore(...Array.from({ length: 50 }, () => () => CONFLICT));
    expect(await flushDocuments(always, scanHistory, eagerClock, [a])).toMatchObject([{ ok: false, error: { code: 'VERSION_CONFLICT' } }]);
  });

  it('says stale when the somebody else of a conflict was handling the same event', async () => {
    const store = new ScriptedStore((write) => {
      store.documents.set(write.id, { document: write.document, versions: write.versions, revision: { seqNo: 99, primaryTerm: 1 } });
      return CONFLICT;
    });
    expect(await flushDocuments(store, scanHistory, eagerClock, [a])).toEqual([{ ok: true, value: 'stale' }]);
  });

  it('writes the changes of a refused document one by one, and fails the one at fault', async () => {
    const scan = { scan_id: 'c', user_id: 'user-1' };
    const other = new HistoryBuilder('user-1');
    const events = [
      other.add('ScanRequested', scan),
      other.add('ScanCompleted', { ...scan, category: 'poison', reward_eligible: true }),
      other.add('CharacterAcquired', { user_id: 'user-1', character_id: 'x', character_name: 'X', source: 'scan', source_id: 'c' }),
    ];
    const invalid: WriteResult = { kind: 'failed', error: new ClassifiedError('DOCUMENT_INVALID', 'no') };
    const refuse = ({ document }: DocumentWrite) => (document['category'] === 'poison' ? invalid : undefined);
    const store = new ScriptedStore(...Array.from({ length: 10 }, () => refuse));
    const changes = [...events, a.event].map((event) => ({ id: event === a.event ? 'a' : 'c', event, history: undefined }));
    expect(await flushDocuments(store, scanHistory, eagerClock, changes)).toMatchObject([
      { ok: true, value: 'applied' },
      { ok: false, error: { code: 'DOCUMENT_INVALID' } },
      { ok: true, value: 'applied' },
      { ok: true, value: 'applied' },
    ]);
    expect(store.documents.get('c')).toMatchObject({ document: { category: null, character_id: 'x' }, versions: { scan: '1' } });
  });

  it('writes nothing when nothing is new', async () => {
    const store = new ScriptedStore();
    await flushDocuments(store, scanHistory, eagerClock, [a]);
    expect(await flushDocuments(store, scanHistory, eagerClock, [a])).toEqual([{ ok: true, value: 'stale' }]);
    expect(store.attempts).toHaveLength(1);
  });
});
