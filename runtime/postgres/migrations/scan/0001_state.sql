CREATE TABLE scan_records (
  scan_id         varchar(64) PRIMARY KEY,
  user_id         varchar(64) NOT NULL,
  image_id        varchar(64),
  image_url       text,
  user_input      text,
  category        text,
  confidence      double precision CHECK (confidence BETWEEN 0 AND 1),
  reward_eligible boolean,
  reward_status   text CHECK (reward_status IN ('pending', 'granted', 'none', 'failed')),
  failure_reason  text,
  status          text        NOT NULL,
  requested_at    timestamptz,
  completed_at    timestamptz
);
CREATE INDEX scan_records_user ON scan_records (user_id, completed_at DESC);

CREATE TABLE scan_tasks (
  task_id    varchar(64) PRIMARY KEY,
  scan_id    varchar(64) NOT NULL,
  user_id    varchar(64) NOT NULL,
  status     text        NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz
);
CREATE INDEX scan_tasks_scan ON scan_tasks (scan_id);
