/** A document of a read model that would be written. */
export interface RehearsedDocument {
  readonly store: 'redis' | 'elasticsearch';
  /** The key on the server, or the document's id. */
  readonly id: string;
  /** `folded`: it is missing, and would be made from its whole history first. */
  readonly change: 'put' | 'drop' | 'count' | 'keep' | 'folded' | 'created' | 'replaced';
  /** The field or the member. */
  readonly part: string | undefined;
  readonly content: unknown;
}

export type NoteDocument = (document: RehearsedDocument) => void;
