-- Which version of a read model serves, and which ones stand beside it.
CREATE TABLE projection_versions (
  projection text        NOT NULL,
  version    integer     NOT NULL CHECK (version >= 1),
  status     text        NOT NULL CHECK (status IN ('building', 'serving', 'previous', 'dropped')),
  -- What identifies the store's copy (an index uuid, a server's run id), so that a lost one is noticed.
  store_mark text,
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (projection, version)
);
CREATE UNIQUE INDEX projection_versions_serving ON projection_versions (projection) WHERE status = 'serving';

-- Who did what to a dead letter.
CREATE TABLE dead_letter_audit (
  audit_id      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  action        text        NOT NULL,
  actor         text        NOT NULL,
  group_name    text        NOT NULL,
  topic         text        NOT NULL,
  partition     integer     NOT NULL,
  record_offset bigint      NOT NULL,
  event_id      varchar(64),
  trace_id      varchar(64),
  error_code    text,
  created_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX dead_letter_audit_created_at ON dead_letter_audit (created_at);

-- Flows that began, and how they ended.
CREATE TABLE flows (
  correlation_id varchar(64) PRIMARY KEY,
  name           text        NOT NULL,
  status         text        NOT NULL,
  user_id        varchar(64),
  trace_id       varchar(64),
  steps          jsonb       NOT NULL DEFAULT '[]',
  started_at     timestamptz NOT NULL,
  updated_at     timestamptz NOT NULL,
  ended_at       timestamptz
);
CREATE INDEX flows_unfinished ON flows (updated_at) WHERE ended_at IS NULL;
