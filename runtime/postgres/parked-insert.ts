import type { RecordToPark } from '../../core/parked-records.ts';
import { utf8 } from '../../core/record.ts';
import { qualified } from './identifiers.ts';

/** How a record came to wait. */
export type ParkedOrigin = 'delivery' | 'replay';

/**
 * Inserts any number of records in the order in which they are given; `conflict` says what becomes of one that waits already.
 * The parameters are `parkedInsertValues`.
 */
export function parkedInsert(schema: string, conflict: string): string {
  return `
INSERT INTO ${qualified(schema, 'parked_records')} (
  group_name, origin, lane, topic, partition, record_offset, record_key, record_value, header_names, header_values, record_timestamp_ms,
  event_id, event_type, trace_id, attempt, due_at, blocked_since, error_code, error_message, first_failed_at)
SELECT $1, $2, r.lane, r.topic, r.partition, r.record_offset, r.record_key, r.record_value,
  ($10::bytea[])[r.header_from:r.header_to], ($11::bytea[])[r.header_from:r.header_to], r.record_timestamp_ms,
  r.event_id, r.event_type, r.trace_id, r.attempt, now() + r.delay_ms * interval '1 millisecond', CASE WHEN r.blocked THEN now() END,
  r.error_code, r.error_message, to_timestamp(r.first_failed_ms / 1000)
FROM unnest($3::bytea[], $4::text[], $5::int[], $6::bigint[], $7::bytea[], $8::bytea[], $9::bigint[], $12::int[], $13::int[],
  $14::text[], $15::text[], $16::text[], $17::int[], $18::float8[], $19::bool[], $20::text[], $21::text[], $22::float8[])
  WITH ORDINALITY AS r (lane, topic, partition, record_offset, record_key, record_value, record_timestamp_ms, header_from, header_to,
  event_id, event_type, trace_id, attempt, delay_ms, blocked, error_code, error_message, first_failed_ms, place)
ORDER BY r.place
ON CONFLICT ON CONSTRAINT parked_records_once ${conflict}`;
}

export function parkedInsertValues(group: string, origin: ParkedOrigin, rows: readonly RecordToPark[]): readonly unknown[] {
  const records = rows.map(({ record }) => record);
  const headers = records.flatMap((record) => record.headers);
  return [
    group,
    origin,
    rows.map(({ lane }) => utf8(lane)),
    records.map(({ topic }) => topic),
    records.map(({ partition }) => partition),
    records.map(({ offset }) => offset.toString()),
    records.map(({ key }) => key),
    records.map(({ value }) => value),
    records.map(({ timestampMs }) => timestampMs),
    headers.map(([name]) => utf8(name)),
    headers.map(([, value]) => value),
    ...headerBounds(records.map((record) => record.headers.length)),
    rows.map(({ event }) => event?.id ?? null),
    rows.map(({ event }) => event?.type ?? null),
    rows.map(({ event }) => event?.traceId ?? null),
    rows.map(({ attempts }) => attempts),
    rows.map(({ delayMs }) => delayMs),
    rows.map(({ blocked }) => blocked),
    rows.map(({ error }) => error.code),
    rows.map(({ error }) => error.message),
    rows.map(({ firstFailedAtMs }) => firstFailedAtMs ?? null),
  ];
}

/** Where each record's headers begin and end in one list of all of them, counted from 1; none end before they begin. */
function headerBounds(counts: readonly number[]): [from: number[], to: number[]] {
  const from: number[] = [];
  const to: number[] = [];
  let before = 0;
  for (const count of counts) {
    from.push(before + 1);
    before += count;
    to.push(before);
  }
  return [from, to];
}
