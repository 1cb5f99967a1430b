/** The position of a record in a Kafka partition. */
export type Offset = bigint & { readonly __brand: 'Offset' };

/** @throws RangeError when negative: the negative numbers are Kafka's sentinels (earliest, latest), not positions. */
export function offset(value: bigint | string): Offset {
  const parsed = BigInt(value);
  if (parsed < 0n) throw new RangeError(`offset out of range: ${parsed}`);
  return parsed as Offset;
}

/** The offset to commit when everything up to and including `processed` is finished: Kafka commits the *next* one to read. */
export function committedOffsetAfter(processed: Offset): Offset {
  return (processed + 1n) as Offset;
}

export function maxOffset(a: Offset, b: Offset): Offset {
  return a > b ? a : b;
}
