import { INBOX_RETENTION_DAYS } from '../../core/retention.ts';

export const INBOX_RETENTION_MS = INBOX_RETENTION_DAYS * 86_400_000;
