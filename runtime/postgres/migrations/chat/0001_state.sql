CREATE TABLE conversations (
  session_id      varchar(64) PRIMARY KEY,
  user_id         varchar(64) NOT NULL,
  status          text        NOT NULL,
  started_at      timestamptz NOT NULL,
  last_message_at timestamptz,
  ended_at        timestamptz,
  end_reason      text
);
CREATE INDEX conversations_user ON conversations (user_id, started_at DESC, session_id DESC);

CREATE TABLE messages (
  message_id     varchar(64) PRIMARY KEY,
  session_id     varchar(64) NOT NULL,
  -- user or assistant
  author         text        NOT NULL,
  kind           text        NOT NULL,
  text           text,
  image_url      text,
  -- The message that this one answers: one answer each.
  reply_to       varchar(64) UNIQUE,
  failure_reason text,
  created_at     timestamptz NOT NULL
);
CREATE INDEX messages_session ON messages (session_id, created_at, message_id);
