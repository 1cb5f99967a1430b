-- Requests of operators that came with an idempotency key: what was asked, and the first answer.
CREATE TABLE operator_requests (
  -- Bound to route and operator.
  idempotency_key text        PRIMARY KEY,
  request_hash    text        NOT NULL,
  -- The audit rows of what was done for it name this: a request that was cut off goes on from there.
  request_id      uuid        NOT NULL DEFAULT gen_random_uuid(),
  -- Null while it is being worked on, or when whoever did so died.
  answer          jsonb,
  claimed_until   timestamptz NOT NULL,
  created_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX operator_requests_created_at ON operator_requests (created_at);
