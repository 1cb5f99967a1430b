import { describe, expect, it } from 'vitest';
import { ClassifiedError } from '../core/errors.ts';
import type { ParkedEntry } from '../runtime/postgres/parked-list.ts';
import { pipeline } from '../pipeline.ts';
import { unknownWords } from './common-options.ts';
import { UsageError } from './exit.ts';
import { parkedCommand } from './parked-command.ts';
import { meaningOf } from './parked-options.ts';
import { parkedJson, parkedRehearsalJson, parkedRehearsalText, parkedText } from './parked-text.ts';

const folder = { dataFolder: '.millrace' };

const entry: ParkedEntry = {
  group: 'processor.scan',
  key: 'ann',
  topic: 'events.image.registered',
  partition: 2,
  offset: 9_007_199_254_740_993n,
  eventId: 'e1',
  type: 'ImageRegistered',
  traceId: '0af7651916cd43dd8448eb211c80319c',
  origin: 'delivery',
  isFirst: true,
  isOlderThanInbox: false,
  attempts: 1,
  dueAt: '2026-03-01T09:00:10.000000Z',
  blockedSince: null,
  errorCode: 'CALL_FAILED',
  errorMessage: 'the call classify failed',
  firstFailedAt: '2026-03-01T09:00:00.000000Z',
  parkedAt: '2026-03-01T09:00:00.000000Z',
  bytes: 312,
};

describe('what is asked of parked records', () => {
  it('is a filter of what was said, and of nothing else', () => {
    expect(meaningOf(folder)).toEqual({ filter: {}, limit: 100 });
    const said = {
      group: 'g',
      key: 'k',
      code: 'CALL_FAILED',
      trace: 't',
      type: 'Happened',
      olderThan: '90m',
      blocked: true,
      limit: '7',
    } as const;
    expect(meaningOf({ ...folder, ...said })).toEqual({
      filter: { group: 'g', key: 'k', errorCode: 'CALL_FAILED', traceId: 't', type: 'Happened', olderThanMs: 5_400_000, blocked: true },
      limit: 7,
    });
  });

  it.each([{ olderThan: '90' }, { olderThan: 'soon' }, { olderThan: '-1h' }, { limit: '0' }, { limit: '10001' }, { limit: '1e3' }])(
    'refuses %j with the words that there are',
    (said) => {
      expect(() => meaningOf({ ...folder, ...said })).toThrow(UsageError);
    },
  );

  it('may name the code as an error, as it was once called', () => {
    expect(meaningOf({ ...folder, error: 'CALL_FAILED' }).filter).toEqual({ errorCode: 'CALL_FAILED' });
  });

  it('must say which records are to be changed, and not both to try and to do it', async () => {
    const run = async (...words: string[]) =>
      parkedCommand()
        .exitOverride()
        .parseAsync(['node', 'parked', ...words]);
    await expect(run('discard', '--apply')).rejects.toThrow('say which records, or --all');
    await expect(run('retry')).rejects.toThrow(UsageError);
    await expect(run('retry', '--key', 'k', '--apply', '--dry-run')).rejects.toThrow('either');
    await expect(run('retry', '--orphans')).rejects.toThrow('nobody would handle them');
    await expect(run('retry', '--key', 'k', '--apply', '--rate', '0')).rejects.toThrow('--rate must be a whole number');
    await expect(run('discard', '--key', 'k', '--apply', '--limit', '5')).rejects.toThrow('--limit only limits what is shown');
  });

  it('names a code or type that this version does not have, which is most likely a slip', () => {
    expect(unknownWords({ code: 'CALL_FAILED', type: 'ScanFailed' }, pipeline)).toEqual([]);
    expect(unknownWords({ error: 'CALL_FAILD', type: 'ScanFaild' }, pipeline)).toEqual([
      expect.stringMatching(/code CALL_FAILD\nCodes: .*CALL_FAILED/),
      expect.stringMatching(/type ScanFaild\nTypes: .*ScanFailed/),
    ]);
  });
});

describe('parked records as text', () => {
  const counts = { records: 1, keys: 1, olderThanInbox: 0, failed: [] };
  const text = (changes: Partial<ParkedEntry>) => parkedText({ ...counts, entries: [{ ...entry, ...changes }] });

  it('say where each is, what it waits for and why', () => {
    expect(text({})).toBe(
      'processor.scan  key ann  ImageRegistered  events.image.registered/2@9007199254740993  attempt 2 at 2026-03-01T09:00:10.000000Z  CALL_FAILED  trace 0af7651916cd43dd8448eb211c80319c\n' +
        '  since 2026-03-01T09:00:00.000000Z: the call classify failed\n1 record of 1 key',
    );
    expect(text({ attempts: 0 })).toContain('attempt 1 at');
    expect(text({ isFirst: false })).toContain('behind another one');
    // It has not failed itself.
    expect(text({ isFirst: false })).not.toContain('the call classify failed');
    expect(text({ errorMessage: 'a\u001b[2Jb' })).toContain(': a?[2Jb');
    expect(text({ blockedSince: '2026-03-01T10:00:00.000000Z' })).toContain('blocked since 2026-03-01T10:00:00.000000Z');
  });

  it('send a terminal nothing that it would obey', () => {
    expect(text({ key: 'a\u001b[2Jb', type: null, traceId: null })).toContain('key a?[2Jb  -  ');
  });

  it('tell how many are not shown, and when there are none', () => {
    expect(parkedText({ ...counts, entries: [entry], records: 5, keys: 2 })).toContain('(4 more are not shown');
    expect(parkedText({ ...counts, entries: [], records: 0, keys: 0 })).toBe('no parked record fits');
    const failed = [{ domain: 'my', error: new ClassifiedError('POSTGRES_UNAVAILABLE', 'away') }];
    expect(parkedText({ ...counts, entries: [], records: 0, keys: 0, failed })).toBe(
      'no parked record fits in the databases that answered',
    );
  });

  it('are one object for programs, with what could not be asked', () => {
    const failed = [{ domain: 'my', error: new ClassifiedError('POSTGRES_UNAVAILABLE', 'away') }];
    const json = JSON.parse(JSON.stringify(parkedJson({ ...counts, entries: [entry], failed }))) as object;
    expect(json).toMatchObject({
      records: 1,
      keys: 1,
      shown: [{ key: 'ann', offset: '9007199254740993', attempts: 1, blocked_since: null, error_code: 'CALL_FAILED' }],
      failed: [{ domain: 'my', code: 'POSTGRES_UNAVAILABLE', remedy: expect.stringContaining('PostgreSQL') }],
    });
  });

  it('say what a retry would do with each, and why it is left out', () => {
    const change = { op: 'upsert', table: 'users', key: { user_id: 'ann' }, set: { secret: 'text' } } as const;
    const acked = { kind: 'acked', effects: { events: [], changes: [change], documents: [] } } as const;
    expect(parkedRehearsalText(entry, acked, false)).toMatch(
      /trace 0af7651916cd43dd8448eb211c80319c\n {2}since .*\n {2}would be acked\n {2}upsert users/,
    );
    expect(parkedRehearsalText(entry, acked, false)).not.toContain('text');
    expect(parkedRehearsalText(entry, { kind: 'refused' }, false)).toContain('older than the inbox remembers');
    expect(parkedRehearsalText(entry, { kind: 'no-group' }, false)).toContain('no such group');
    expect(JSON.parse(parkedRehearsalJson(entry, acked, true))).toMatchObject({
      record: { key: 'ann' },
      result: 'acked',
      changes: [{ set: { secret: 'text' } }],
    });
    expect(JSON.parse(parkedRehearsalJson(entry, { kind: 'refused' }, true))).toMatchObject({
      result: 'refused',
      record: { offset: '9007199254740993' },
    });
  });
});
