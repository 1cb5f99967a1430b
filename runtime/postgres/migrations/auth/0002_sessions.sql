ALTER TABLE users ADD COLUMN permissions jsonb NOT NULL DEFAULT '[]';

-- What proves a user of the provider `local`. Never part of an event.
CREATE TABLE credentials (
  user_id       varchar(64) PRIMARY KEY,
  -- scrypt, with its parameters and salt
  password_hash text        NOT NULL
);

-- One row per login, until it is over: what a refresh token is checked against.
CREATE TABLE sessions (
  session_id       varchar(64) PRIMARY KEY,
  user_id          varchar(64) NOT NULL,
  -- SHA-256 of the refresh token that is valid now, and of the one before it.
  refresh_hash     text        NOT NULL,
  last_hash        text,
  expires_at       timestamptz NOT NULL,
  ended_at         timestamptz
);
CREATE INDEX sessions_user ON sessions (user_id);
