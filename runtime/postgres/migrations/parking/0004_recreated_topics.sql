-- Offsets begin anew in a topic that was made again: what is parked once is an event at its place, not whatever has its offset.
-- A record that is delivered again, or replayed from its dead letter, has the same timestamp and event id.
ALTER TABLE parked_records
  DROP CONSTRAINT parked_records_once,
  ADD CONSTRAINT parked_records_once UNIQUE NULLS NOT DISTINCT (group_name, topic, partition, record_offset, record_timestamp_ms, event_id);
