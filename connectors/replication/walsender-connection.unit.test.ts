import { PassThrough } from 'node:stream';
import { describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../test/support/system-clock.ts';
import { StreamSession } from './stream-session.ts';
import { openWalSender, passOnChunks, tellsOfSkippedPublication } from './walsender-connection.ts';

describe('a notice of the server', () => {
  it.each([
    ['as PostgreSQL 18 gives it', { code: '55000', routine: 'LoadPublications' }],
    ['with another SQLSTATE', { code: '01000', routine: 'LoadPublications' }],
    ['out of another function', { code: '55000', routine: 'load_publications' }],
  ])('tells of a skipped publication %s', (_, notice) => {
    expect(tellsOfSkippedPublication(notice)).toBe(true);
  });

  it('tells nothing of a publication otherwise', () => {
    expect(tellsOfSkippedPublication({ code: '01000', routine: 'CheckMyDatabase' })).toBe(false);
    expect(tellsOfSkippedPublication({})).toBe(false);
  });
});

describe('the chunks of a stream', () => {
  const room = Buffer.alloc(4);
  const passOn = (stream: PassThrough, readBytesMax: number): string[] => {
    const told: string[] = [];
    passOnChunks(stream, {
      free: () => room,
      taken: (count) => told.push(room.toString('latin1', 0, count)),
      readEnd: (count) => {
        told.push(`read of ${count}`);
        stream.pause();
      },
      readBytesMax,
    });
    stream.pause();
    for (const chunk of ['abcdef', 'gh', 'ijkl']) stream.write(chunk);
    stream.resume();
    return told;
  };

  it('are copied in pieces that fit, and are one read as far as they come in one turn', async () => {
    const stream = new PassThrough();
    const told = passOn(stream, 1024);
    await new Promise((resolve) => stream.once('pause', resolve));
    expect(told).toEqual(['abcd', 'ef', 'gh', 'ijkl', 'read of 12']);
  });

  it('are kept for the next read while the reader looks away', () => {
    const stream = new PassThrough({ highWaterMark: 16 });
    passOnChunks(stream, { free: () => room, taken: () => undefined, readEnd: () => undefined, readBytesMax: 1000 });
    stream.pause();
    while (stream.readableLength < 2000 && stream.push(Buffer.alloc(10)));
    expect(stream.readableLength).toBeGreaterThanOrEqual(1000);
    expect(stream.readableLength).toBeLessThan(2000);
  });

  it('are no more than fits into a read, and stop when the reader does', async () => {
    const stream = new PassThrough();
    const told = passOn(stream, 7);
    await new Promise((resolve) => stream.once('pause', resolve));
    await new Promise((resolve) => setImmediate(resolve));
    expect(told).toEqual(['abcd', 'ef', 'gh', 'read of 8']);
    stream.resume();
    await new Promise((resolve) => stream.once('pause', resolve));
    expect(told.slice(4)).toEqual(['ijkl', 'read of 4']);
  });
});

it('a database URL that cannot be read is refused by name, without its text, and leaves no timer behind', () => {
  vi.useFakeTimers();
  try {
    const target = {
      url: 'postgres://user:secret@/db?host=/run/pg',
      slot: 's',
      publication: 'p',
      connectTimeoutMs: 1,
      readBufferBytes: 1024,
    };
    const times = { statusIntervalMs: 1000, statusDelayMs: 100, silenceLimitMs: 3000, publicationLookMs: 500 };
    const nothing = (): void => undefined;
    const handlers = { onStreaming: nothing, onRow: nothing, onLogicalMessage: nothing, onReadEnd: nothing };
    const begin = (): StreamSession =>
      new StreamSession(
        target,
        { ...times, inFlightBytesMax: 1, messagePrefix: 'm' },
        { ...handlers, onSkipped: nothing, onStatus: nothing, onEnded: nothing },
        { clock: systemClock, open: openWalSender, look: async () => true },
      );
    expect(begin).toThrow(
      expect.objectContaining({ code: 'CONFIGURATION_INVALID', message: expect.not.stringContaining('secret') as unknown }),
    );
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});
