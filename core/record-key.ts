/** What a payload's key field is as a record key: its text, or its digits. Undefined for what is neither text nor number. */
export function recordKeyText(value: unknown): string | undefined {
  if (typeof value === 'number' || typeof value === 'bigint') return value.toString();
  return typeof value === 'string' ? value : undefined;
}
