-- Records that wait for their next attempt, byte for byte as they were read. Per group and key they are handled in the order
-- of seq: a later record of a parked key is parked behind it.
CREATE TABLE parked_records (
  group_name       text        NOT NULL,
  -- The record's key; a record without one waits under the empty key.
  key              bytea       NOT NULL,
  seq              bigint      GENERATED ALWAYS AS IDENTITY,
  topic            text        NOT NULL,
  partition        integer     NOT NULL,
  record_offset    bigint      NOT NULL,
  record_key       bytea,
  record_value     bytea,
  -- Parallel lists, because Kafka allows a header name twice and a value that is null.
  header_names     text[]      NOT NULL,
  header_values    bytea[]     NOT NULL CHECK (cardinality(header_values) = cardinality(header_names)),
  record_timestamp_ms bigint   NOT NULL,
  -- How many attempts have failed; 0 for a record that only waits behind another one.
  attempt          integer     NOT NULL CHECK (attempt >= 0),
  due_at           timestamptz NOT NULL,
  error_code       text,
  error_message    text,
  trace_id         text,
  first_failed_at  timestamptz,
  parked_at        timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (group_name, key, seq),
  -- A record that is delivered again, because its offset was not committed yet, is parked once.
  CONSTRAINT parked_records_once UNIQUE (group_name, topic, partition, record_offset)
);

CREATE INDEX parked_records_due ON parked_records (group_name, due_at);
