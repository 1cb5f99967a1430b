/** `1 letter`, `2 letters`: for sentences that a person reads. */
export function counted(number: number | bigint, noun: string): string {
  return `${number} ${noun}${agrees(number, '', 's')}`;
}

/** `is` or `are`, `was` or `were`, by the number before it. */
export function agrees(number: number | bigint, one: string, more: string): string {
  return BigInt(number) === 1n ? one : more;
}
