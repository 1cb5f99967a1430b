import { describe, expect, it } from 'vitest';
import { ClassifiedError } from '../core/errors.ts';
import type { ParkedEntry } from '../runtime/postgres/parked-admin.ts';
import { UsageError } from './exit.ts';
import { meaningOf, parkedCommand, requireGroup } from './parked-command.ts';
import { parkedJson, parkedText } from './parked-text.ts';

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
      error: 'CALL_FAILED',
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

  it('names a group of the pipeline, or a version of a projection that may be gone', () => {
    const groups = ['processor.scan', 'projection.user-characters.v2'];
    expect(() => requireGroup(groups, undefined)).not.toThrow();
    expect(() => requireGroup(groups, 'processor.scan')).not.toThrow();
    expect(() => requireGroup(groups, 'projection.user-characters.v1')).not.toThrow();
    expect(() => requireGroup(groups, 'scan')).toThrow('processor.scan, projection.user-characters.v2');
  });

  it('must say which records are to be changed, and not both to try and to do it', async () => {
    const run = async (...words: string[]) =>
      parkedCommand()
        .exitOverride()
        .parseAsync(['node', 'parked', ...words]);
    await expect(run('discard', '--apply')).rejects.toThrow('say which records, or --all');
    await expect(run('retry')).rejects.toThrow(UsageError);
    await expect(run('retry', '--key', 'k', '--apply', '--dry-run')).rejects.toThrow('either');
    await expect(run('discard', '--key', 'k', '--apply', '--limit', '5')).rejects.toThrow('--limit only limits what is shown');
  });
});

describe('parked records as text', () => {
  const text = (changes: Partial<ParkedEntry>) => parkedText({ entries: [{ ...entry, ...changes }], records: 1, keys: 1, failed: [] });

  it('say where each is, what it waits for and why', () => {
    expect(text({})).toBe(
      'processor.scan  key ann  ImageRegistered  events.image.registered/2@9007199254740993  attempt 2 at 2026-03-01T09:00:10.000000Z  CALL_FAILED  trace 0af7651916cd43dd8448eb211c80319c\n1 record of 1 key',
    );
    expect(text({ attempts: 0 })).toContain('attempt 1 at');
    expect(text({ isFirst: false })).toContain('behind another one');
    expect(text({ blockedSince: '2026-03-01T10:00:00.000000Z' })).toContain('blocked since 2026-03-01T10:00:00.000000Z');
  });

  it('send a terminal nothing that it would obey', () => {
    expect(text({ key: 'a\u001b[2Jb', type: null, traceId: null })).toContain('key a?[2Jb  -  ');
  });

  it('tell how many are not shown, and when there are none', () => {
    expect(parkedText({ entries: [entry], records: 5, keys: 2, failed: [] })).toContain('(4 more are not shown');
    expect(parkedText({ entries: [], records: 0, keys: 0, failed: [] })).toBe('no parked record fits');
    const failed = [{ domain: 'my', error: new ClassifiedError('POSTGRES_UNAVAILABLE', 'away') }];
    expect(parkedText({ entries: [], records: 0, keys: 0, failed })).toBe('no parked record fits in the databases that answered');
  });

  it('are one object for programs, with what could not be asked', () => {
    const failed = [{ domain: 'my', error: new ClassifiedError('POSTGRES_UNAVAILABLE', 'away') }];
    const json = JSON.parse(JSON.stringify(parkedJson({ entries: [entry], records: 1, keys: 1, failed }))) as object;
    expect(json).toMatchObject({
      records: 1,
      keys: 1,
      shown: [{ key: 'ann', offset: '9007199254740993', attempts: 1, blocked_since: null, error_code: 'CALL_FAILED' }],
      failed: [{ domain: 'my', code: 'POSTGRES_UNAVAILABLE', remedy: expect.stringContaining('PostgreSQL') }],
    });
  });
});
