-- What became of a dead letter, by its place in its dead-letter topic; one without a row is open. The letter itself stays in
-- Kafka until its retention is over, and then its row goes, too.
CREATE TABLE dead_letter_states (
  -- Given by the cluster: a topic that was deleted and made again has another one, and begins anew.
  topic_id      text        NOT NULL,
  topic         text        NOT NULL,
  partition     integer     NOT NULL,
  record_offset bigint      NOT NULL,
  state         text        NOT NULL CHECK (state IN ('replayed', 'discarded', 'archived')),
  changed_at    timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (topic_id, partition, record_offset)
);

-- Up to where the letters of a partition were looked at for the archive: each one below is in a file, or was handled before.
CREATE TABLE dead_letter_archives (
  topic_id    text    NOT NULL,
  topic       text    NOT NULL,
  partition   integer NOT NULL,
  next_offset bigint  NOT NULL,
  PRIMARY KEY (topic_id, partition)
);

-- topic, partition and record_offset are the place of the letter in its dead-letter topic.
ALTER TABLE dead_letter_audit ADD COLUMN topic_id text, ADD COLUMN detail text;
CREATE INDEX dead_letter_audit_place ON dead_letter_audit (topic, partition, record_offset);
