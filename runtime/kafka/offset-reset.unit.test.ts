import { expect, it } from 'vitest';
import { offset } from '../../core/offset.ts';
import { offsetReset } from './offset-reset.ts';

const PARTITION = { topic: 'events.happened', partition: 3 };

function resetOf(from: bigint | undefined, earliest: bigint, end: bigint) {
  return offsetReset(from === undefined ? undefined : offset(from), { ...PARTITION, earliest: offset(earliest), end: offset(end) });
}

it.each([
  ['reads on within the log', 5n, 2n, 9n, undefined],
  ['reads on at its end', 9n, 2n, 9n, undefined],
  ['reads on at its earliest record', 2n, 2n, 9n, undefined],
  ['has lost what was deleted before it', 1n, 4n, 9n, { reason: 'records-gone', from: 1n, to: 4n, end: 9n, lost: 3n }],
  ['has lost all that was deleted, to the end', 1n, 9n, 9n, { reason: 'records-gone', from: 1n, to: 9n, end: 9n, lost: 8n }],
  ['begins anew in a log that ends before it', 7n, 0n, 2n, { reason: 'log-shorter', from: 7n, to: 0n, end: 2n, lost: 0n }],
  ['begins at the earliest record without a commit', undefined, 2n, 9n, { reason: 'nothing-committed', from: undefined, to: 2n, lost: 0n }],
  ['has nothing to say of a log that never had a record', undefined, 0n, 0n, undefined],
] as const)('a group %s', (_what, from, earliest, end, expected) => {
  const reset = resetOf(from, earliest, end);
  if (expected === undefined) expect(reset).toBeUndefined();
  else expect(reset).toMatchObject({ ...PARTITION, ...expected });
});
