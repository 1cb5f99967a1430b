-- Nothing has written the first shape of this table.
DROP TABLE flows;

-- One row per saga and flow, kept by the sweep: how the flow stands as it was last looked at. Rows of flows that have ended
-- go after some days.
CREATE TABLE flows (
  saga         text        NOT NULL,
  -- The correlation id: the id of the flow's first event.
  flow_id      varchar(64) NOT NULL,
  trace_id     varchar(64),
  -- The event that began it, and whose store holds that.
  began_with   uuid        NOT NULL,
  began_domain varchar(64) NOT NULL,
  began_at     timestamptz NOT NULL,
  deadline_at  timestamptz NOT NULL,
  status       text        NOT NULL CHECK (status IN ('running', 'overdue', 'ended')),
  ended_as     text,
  ended_at     timestamptz,
  -- The steps that have not come: which group, for which event, and where the event's record is.
  waits_for    jsonb       NOT NULL DEFAULT '[]',
  -- What the sweep did for it last: finish or compensate.
  action       text,
  acted_at     timestamptz,
  looks        integer     NOT NULL DEFAULT 0,
  looked_at    timestamptz NOT NULL,
  next_look_at timestamptz,
  PRIMARY KEY (saga, flow_id),
  CHECK ((status = 'ended') = (ended_at IS NOT NULL AND ended_as IS NOT NULL AND next_look_at IS NULL))
);
CREATE INDEX flows_next_look ON flows (next_look_at) WHERE status <> 'ended';
CREATE INDEX flows_overdue ON flows (began_at) WHERE status = 'overdue';
CREATE INDEX flows_ended ON flows (ended_at) WHERE status = 'ended';
CREATE INDEX flows_flow ON flows (flow_id);
CREATE INDEX flows_began ON flows (began_at);

-- Up to which event the beginnings of a saga were read.
CREATE TABLE flow_positions (
  saga       text        NOT NULL,
  event_type varchar(64) NOT NULL,
  read_to    timestamptz NOT NULL,
  event_id   uuid        NOT NULL,
  PRIMARY KEY (saga, event_type)
);
