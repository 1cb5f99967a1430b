import { offset } from '../../core/offset.ts';
import type { ConsumedRecord, Header } from '../../core/record.ts';
import { utf8Text } from '../../core/record.ts';

/** A parked record as it was read from Kafka. */
export interface RecordRow {
  readonly topic: string;
  readonly partition: number;
  readonly record_offset: bigint;
  readonly record_key: Uint8Array | null;
  readonly record_value: Uint8Array | null;
  readonly header_names: readonly Uint8Array[];
  readonly header_values: readonly (Uint8Array | null)[];
  readonly record_timestamp_ms: bigint;
}

/** Those of them that say what the record holds. */
export const RECORD_COLUMNS = 'record_key, record_value, header_names, header_values, record_timestamp_ms';

export function recordOf(row: RecordRow): ConsumedRecord {
  return {
    topic: row.topic,
    partition: row.partition,
    offset: offset(row.record_offset),
    key: row.record_key,
    value: row.record_value,
    headers: row.header_names.map((name, index): Header => [utf8Text(name), row.header_values[index] ?? null]),
    timestampMs: Number(row.record_timestamp_ms),
  };
}
