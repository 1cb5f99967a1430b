import type { PublicationDeclaration } from './publication.ts';

/** Where a capture reads: one slot and one publication of one database. */
export interface CaptureSource {
  /** Of the domain's own database. */
  readonly url: string;
  readonly slot: string;
  readonly publication: PublicationDeclaration;
}

/** Of the logical messages that are outbox events without a table. */
export const OUTBOX_MESSAGE_PREFIX = 'millrace.outbox';
