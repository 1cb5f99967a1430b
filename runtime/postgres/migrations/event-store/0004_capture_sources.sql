-- What the database itself remembers of its capture. The capture's own memory is in Kafka, where a restore of this database
-- cannot reach it; this row tells that there was one, for the day on which Kafka is the server that was lost.
CREATE TABLE capture_sources (
  slot             text        PRIMARY KEY,
  -- Counted up by every repair.
  epoch            integer     NOT NULL CHECK (epoch >= 1),
  -- The slot holds everything that commits from here on.
  consistent_point pg_lsn      NOT NULL,
  -- The publication as it was when the slot was made.
  publication      text        NOT NULL,
  -- The Kafka cluster that holds the memory of this epoch; NULL until it has been written there.
  kafka_cluster    text,
  created_at       timestamptz NOT NULL DEFAULT now()
);
