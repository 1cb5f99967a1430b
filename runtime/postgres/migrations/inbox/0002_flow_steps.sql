-- A handled event or command is a step of a flow: written by the statement that takes its key, in the transaction of its effect,
-- so that a step is here exactly when its effect is. Rows from before have no step.
ALTER TABLE processed_events
  -- The correlation id; NULL for a command that began no flow because it appended nothing.
  ADD COLUMN flow_id      varchar(64),
  -- `<domain>:<event type>` of a reaction, or the name of a command.
  ADD COLUMN step         text,
  -- The event that was reacted to; NULL for a command.
  ADD COLUMN event_id     varchar(64),
  ADD COLUMN trace_id     varchar(64),
  -- When its work began, a declared call included; processed_at is its end.
  ADD COLUMN started_at   timestamptz,
  ADD COLUMN status       text NOT NULL DEFAULT 'done' CHECK (octet_length(status) BETWEEN 1 AND 64),
  -- What the decision keeps for taking the step back.
  ADD COLUMN compensation jsonb;

CREATE INDEX processed_events_flow_id ON processed_events (flow_id) WHERE flow_id IS NOT NULL;
