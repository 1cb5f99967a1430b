const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Whether PostgreSQL would take the text for an id, in its usual form; of any version, in letters of any case. */
export function isUuid(text: string): boolean {
  return UUID.test(text);
}
