import type { Clock } from '../../../core/clock.ts';
import { LSN_ZERO } from '../../../core/lsn.ts';
import type { Relation } from '../../replication/pgoutput.ts';
import type { SourceTransaction } from '../../replication/stream-session.ts';
import type { ReadEvent } from '../outbox-row.ts';
import { outboxLayout } from '../outbox-row.ts';
import type { PublisherOptions } from '../publisher.ts';
import { Publisher } from '../publisher.ts';
import type { MissingRow } from './missing-rows.ts';

/** Publishes rows of the table by the relay's own code: same route, same encoding, same dead letters, same patience. */
export class MissingRowsPublisher {
  private readonly publisher: Publisher;
  private readonly read: ReadEvent;
  private readonly clock: Clock;
  private readonly signal: AbortSignal;
  private readonly astray = new AbortController();

  /** A topic that loses partitions ends the repair, which is run again from its beginning. */
  constructor(options: Omit<PublisherOptions, 'onAstray'>, relation: Relation) {
    const layout = outboxLayout(relation);
    this.clock = options.clock;
    this.publisher = new Publisher({ ...options, onAstray: (error) => this.astray.abort(error) });
    this.read = (row, bytes, start, end) => row.readTuple(layout, bytes, start, end);
    this.signal = AbortSignal.any([options.lifetime, this.astray.signal]);
  }

  /** Resolves when each row is acknowledged by Kafka, in its topic or as its dead letter. Rejects with the signal's reason, or with CONFIGURATION_INVALID. */
  async publish(rows: readonly MissingRow[]): Promise<void> {
    // The database's clock may be ahead of the brokers'.
    const nowUs = this.clock.nowMs() * 1000;
    for (const { tuple, timestampUs } of rows) {
      this.publisher.add(this.read, tuple, 0, tuple.length, transactionOf(Math.min(timestampUs, nowUs)), tuple.length);
    }
    this.publisher.flush();
    await Promise.race([this.publisher.drained(), rejected(this.signal)]);
    this.signal.throwIfAborted();
  }

  /** Lets go of what is in hand. */
  close(): void {
    this.publisher.reset();
  }
}

/** Nobody waits for the acknowledgement of a row of the table: its transaction has long been confirmed, or never will be. */
function transactionOf(timestampUs: number): SourceTransaction {
  const session = { acknowledge: () => undefined };
  return { commitLsn: LSN_ZERO, commitTimeUs: timestampUs, session } as unknown as SourceTransaction;
}

function rejected(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}
