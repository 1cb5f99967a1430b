import type { Producer } from '../../core/broker.ts';
import type { ClassifiedError } from '../../core/errors.ts';
import type { ProducerRecord } from '../../core/record.ts';
import { headerText } from '../../core/record.ts';

/** A producer whose acknowledgements a test holds in its hand. */
export interface RecordingProducer extends Producer {
  /** Acknowledged records, in order of their acknowledgement. */
  readonly acknowledged: ProducerRecord[];
  /** Ids of the acknowledged records, repeats included. */
  acknowledgedIds(): string[];
  /** How many sends were begun. */
  readonly sends: number;
  /** From now on sends wait; they append and are acknowledged at `release`. */
  hang(): void;
  release(): void;
  /** From now on every send asks: an error refuses the whole batch, nothing of it appended. */
  failWith(decide: (records: readonly ProducerRecord[]) => ClassifiedError | undefined): void;
}

export function createRecordingProducer(): RecordingProducer {
  const acknowledged: ProducerRecord[] = [];
  let sends = 0;
  let waiting: (() => void)[] = [];
  let hanging = false;
  let decide: (records: readonly ProducerRecord[]) => ClassifiedError | undefined = () => undefined;
  return {
    acknowledged,
    acknowledgedIds: () => acknowledged.map((record) => headerText(record.headers, 'id') ?? ''),
    get sends() {
      return sends;
    },
    start: async () => undefined,
    stop: async () => undefined,
    hang: () => {
      hanging = true;
    },
    release: () => {
      hanging = false;
      for (const wake of waiting) wake();
      waiting = [];
    },
    failWith: (decision) => {
      decide = decision;
    },
    send: async (records) => {
      sends += 1;
      // As over a socket: never acknowledged in the same turn.
      await new Promise<void>((resolve) => (hanging ? waiting.push(resolve) : setImmediate(resolve)));
      const error = decide(records);
      if (error !== undefined) throw error;
      acknowledged.push(...records);
    },
  };
}
