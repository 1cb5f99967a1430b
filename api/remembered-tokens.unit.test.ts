import { beforeEach, describe, expect, it } from 'vitest';
import { HandClock } from '../test/support/api-harness.ts';
import { rememberTokens } from './remembered-tokens.ts';
import type { VerifiedToken } from './verify-token.ts';

const OPTIONS = { entriesMax: 2, rememberedForMs: 60_000, lengthMax: 20 };

const clock = new HandClock();
const asked: string[] = [];
const answers = new Map<string, VerifiedToken>();
beforeEach(() => {
  asked.length = 0;
  answers.clear();
});

const verifier = (options = OPTIONS) =>
  rememberTokens(
    async (token) => {
      asked.push(token);
      return answers.get(token) ?? { kind: 'invalid' };
    },
    clock,
    options,
  );

function valid(token: string, forMs = 3_600_000): string {
  const expiresAt = new Date(clock.nowMs() + forMs).toISOString();
  const claims = { tokenId: token, sessionId: undefined, expiresAt, issuedAtMs: undefined, permissions: [] };
  answers.set(token, { kind: 'valid', userId: `user of ${token}`, claims });
  return token;
}

describe('a token that was found good', () => {
  it('is not checked again for a minute, and then it is', async () => {
    const verify = verifier();
    const first = await verify(valid('a'));
    expect(await verify('a')).toEqual(first);
    expect(asked).toEqual(['a']);
    await clock.turn(OPTIONS.rememberedForMs);
    answers.delete('a');
    expect(await verify('a')).toEqual({ kind: 'invalid' });
    expect(await verify('a')).toEqual({ kind: 'invalid' });
  });

  it('is checked again from the moment at which it expires', async () => {
    const verify = verifier();
    await verify(valid('a', 30_000));
    await clock.turn(29_999);
    await verify('a');
    expect(asked).toEqual(['a']);
    await clock.turn(1);
    answers.set('a', { kind: 'expired' });
    expect(await verify('a')).toEqual({ kind: 'expired' });
  });

  it('is mistaken for no other one', async () => {
    const verify = verifier();
    await verify(valid('a'));
    expect(await verify('a ')).toEqual({ kind: 'invalid' });
    expect(await verify(valid('b'))).toMatchObject({ userId: 'user of b' });
  });

  it('is not checked again together with all that were checked together with it', async () => {
    const verify = verifier({ ...OPTIONS, entriesMax: 1_000 });
    const tokens = Array.from({ length: 300 }, (_, index) => valid(`t${index}`));
    for (let second = 0; second <= 60; second += 1) {
      asked.length = 0;
      for (const token of tokens) await verify(token);
      if (second > 0) expect(asked.length, `in second ${second}`).toBeLessThan(20);
      await clock.turn(1_000);
    }
  });

  it('makes room for another one when it was not used for the longest time', async () => {
    const verify = verifier();
    for (const token of [valid('a'), valid('b'), 'a', valid('c'), 'a', 'b']) await verify(token);
    expect(asked).toEqual(['a', 'b', 'c', 'b']);
  });
});

it('remembers nothing of a token that is not good, or too long to be kept', async () => {
  const verify = verifier();
  const long = valid('x'.repeat(OPTIONS.lengthMax + 1));
  for (const token of ['bad', 'bad', long, long]) await verify(token);
  expect(asked).toEqual(['bad', 'bad', long, long]);
});
