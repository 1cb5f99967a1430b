import { ClassifiedError } from '../../core/errors.ts';
import type { CaptureSource } from './source.ts';
import { lookAtPublication } from './capture-source.ts';
import { classifyPostgresError } from './postgres-errors.ts';
import type { PublicationSighting } from './publication.ts';
import { isGap } from './source-findings.ts';
import { KeptSqlSession } from './sql-session.ts';

/** Knows how the publication looked when its stream first saw it, over all connections of that stream. */
export class PublicationWatch {
  private readonly source: CaptureSource;
  /** Told of each look that was taken: undefined, or why it failed. */
  private readonly onLook: (error: ClassifiedError | undefined) => void;
  private readonly session: KeptSqlSession;
  private version: string | undefined;

  constructor(source: CaptureSource, onLook: (error: ClassifiedError | undefined) => void) {
    this.source = source;
    this.onLook = onLook;
    this.session = new KeptSqlSession(source.url);
  }

  /** @throws ClassifiedError PUBLICATION_CHANGED */
  assertUnchanged(seen: PublicationSighting): void {
    this.version ??= seen.version;
    if (seen.version === this.version) return;
    const { name } = this.source.publication;
    throw new ClassifiedError('PUBLICATION_CHANGED', `the publication ${name} was changed while it was streamed, and rows may be missing`);
  }

  /**
   * True when the publication is as it was; false when that cannot be told now.
   * @throws ClassifiedError PUBLICATION_MISSING, PUBLICATION_CHANGED
   */
  async look(): Promise<boolean> {
    try {
      const seen = await lookAtPublication(this.session, this.source.publication);
      this.assertUnchanged(seen);
      this.onLook(undefined);
      return seen.settled;
    } catch (thrown) {
      const error = classifyPostgresError(thrown, 'the look at the publication');
      if (isGap(error)) throw error;
      this.onLook(error);
      return false;
    }
  }

  /** Closes the connection for its looks; a later look opens it again. */
  async close(): Promise<void> {
    await this.session.close();
  }
}
