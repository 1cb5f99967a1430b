-- The inbox: what this domain has done already, by an idempotency key derived from the cause. A repeated event or command
-- finds its key here and changes nothing. Rows outlive the longest retention of a topic, then the maintenance sweeps them.
CREATE TABLE processed_events (
  idempotency_key text        PRIMARY KEY CHECK (octet_length(idempotency_key) BETWEEN 1 AND 1024),
  domain          varchar(32) NOT NULL,
  processed_at    timestamptz NOT NULL DEFAULT now(),
  result          jsonb,
  expires_at      timestamptz NOT NULL DEFAULT now() + interval '31 days'
);

CREATE INDEX processed_events_expires_at ON processed_events (expires_at);
