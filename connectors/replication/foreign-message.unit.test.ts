import { expect, it } from 'vitest';
import { isForeignMessage } from './foreign-message.ts';

const OWN = 'millrace.outbox';
const message = (prefix: string, content = 'content'): Buffer =>
  Buffer.concat([Buffer.from('M\u0001'), Buffer.alloc(8), Buffer.from(`${prefix}\0`), Buffer.alloc(4), Buffer.from(content)]);
const isForeign = (bytes: Buffer, end = bytes.length): boolean => isForeignMessage(bytes, 0, end, OWN);

it.each(['other', 'millrace.outbox2', 'millrace', '', 'ü'])('a message of the prefix "%s" is foreign', (prefix) => {
  expect(isForeign(message(prefix))).toBe(true);
});

it('one’s own message is not, nor is anything that is no message', () => {
  expect(isForeign(message(OWN))).toBe(false);
  expect(isForeign(Buffer.from('I123456789012345\0'))).toBe(false);
});

it('a message whose prefix has not come yet is not foreign yet, and one of an endless prefix is', () => {
  const bytes = message('other');
  for (let end = 0; end < 15; end += 1) expect(isForeign(bytes, end)).toBe(false);
  expect(isForeign(bytes, 16)).toBe(true);
  expect(isForeign(message('x'.repeat(5_000)))).toBe(true);
});
