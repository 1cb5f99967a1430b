-- The event store: append-only, versions 1, 2, 3 … without a gap per stream.
CREATE TABLE events (
  event_id        uuid        PRIMARY KEY,
  aggregate_type  varchar(64) NOT NULL CHECK (aggregate_type <> ''),
  aggregate_id    varchar(64) NOT NULL CHECK (aggregate_id <> ''),
  sequence_number bigint      NOT NULL CHECK (sequence_number >= 1),
  event_type      varchar(64) NOT NULL CHECK (event_type <> ''),
  payload         jsonb       NOT NULL,
  metadata        jsonb       NOT NULL DEFAULT '{}',
  created_at      timestamptz NOT NULL DEFAULT now(),
  -- Optimistic concurrency: two writers of the same version meet at this key, and one of them loads and decides again.
  CONSTRAINT events_stream_version UNIQUE (aggregate_type, aggregate_id, sequence_number)
);

-- For the history of an event type over a time, across streams.
CREATE INDEX events_type_created_at ON events (event_type, created_at);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE ON events FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER events_never_truncated BEFORE TRUNCATE ON events FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- One row per stream, renewed every 100 events. A snapshot is a cache: losing it costs time and nothing else.
CREATE TABLE snapshots (
  aggregate_type  varchar(64) NOT NULL,
  aggregate_id    varchar(64) NOT NULL,
  sequence_number bigint      NOT NULL,
  state           jsonb       NOT NULL,
  -- The shape of the state; a snapshot of another shape is not read.
  state_version   integer     NOT NULL DEFAULT 1,
  created_at      timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (aggregate_type, aggregate_id)
);
