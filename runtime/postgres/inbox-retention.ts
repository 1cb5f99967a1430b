/** How long the inbox remembers a key when nothing else is said: longer than any topic or dead-letter topic keeps a record. */
export const INBOX_RETENTION_DAYS = 31;
export const INBOX_RETENTION_MS = INBOX_RETENTION_DAYS * 86_400_000;
