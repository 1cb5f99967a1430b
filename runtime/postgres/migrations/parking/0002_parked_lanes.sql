-- Parked records by lane, and what says that somebody else than their owner has changed them. Nothing wrote to the table of
-- 0001; it is made anew.
DROP TABLE parked_records;

-- Records that wait for their next attempt, byte for byte as they were read. Per group and lane they are handled in the order
-- of seq: a later record of a lane that waits is parked behind it. They belong to whoever is assigned their partition.
CREATE TABLE parked_records (
  group_name       text        NOT NULL,
  -- What keeps its order: the record's key; the key and the topic of events that may overtake; the partition of a record without a key.
  lane             bytea       NOT NULL,
  seq              bigint      GENERATED ALWAYS AS IDENTITY,
  topic            text        NOT NULL,
  partition        integer     NOT NULL,
  record_offset    bigint      NOT NULL,
  record_key       bytea,
  record_value     bytea,
  -- Parallel lists, because Kafka allows a header name twice and a value that is null; bytes, because text refuses some names.
  header_names     bytea[]     NOT NULL,
  header_values    bytea[]     NOT NULL CHECK (cardinality(header_values) = cardinality(header_names)),
  record_timestamp_ms bigint   NOT NULL,
  -- From the envelope, where it could be read.
  event_id         text,
  event_type       text,
  trace_id         text,
  -- How it came here: from the topic, or by a replay of its dead letter.
  origin           text        NOT NULL CHECK (origin IN ('delivery', 'replay')),
  -- How many attempts have failed; 0 for a record that only waits behind another one.
  attempt          integer     NOT NULL CHECK (attempt >= 0),
  due_at           timestamptz NOT NULL,
  -- Set when its attempts are used up, it is in the dead letters, and its lane waits for a person.
  blocked_since    timestamptz,
  -- Its own error, or that of the record that it waits behind.
  error_code       text,
  error_message    text,
  first_failed_at  timestamptz,
  parked_at        timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (group_name, lane, seq),
  -- A record that is delivered again, because its offset was not committed yet, is parked once.
  CONSTRAINT parked_records_once UNIQUE (group_name, topic, partition, record_offset)
);

CREATE INDEX parked_records_trace ON parked_records (trace_id);

-- Raised with every change that is not the owner's own (a replay, an operator): owners look at it and read again.
CREATE TABLE parked_revisions (
  group_name text   PRIMARY KEY,
  revision   bigint NOT NULL,
  -- Records that operators have discarded, in all.
  discarded  bigint NOT NULL DEFAULT 0
);
