import type { PublicationDeclaration } from './publication.ts';

/** Where a capture reads: one slot and one publication of one database. */
export interface CaptureSource {
  /** Of the domain's own database. */
  readonly url: string;
  readonly slot: string;
  readonly publication: PublicationDeclaration;
}
