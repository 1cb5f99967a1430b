-- What is refused before its time: tokens that were given back, and sessions that are over. Redis holds the same, and may lose it.
CREATE TABLE revocations (
  kind       text         NOT NULL CHECK (kind IN ('token', 'session')),
  -- The token's jti or the session's sid.
  id         varchar(64)  NOT NULL,
  revoked_at timestamptz  NOT NULL,
  expires_at timestamptz  NOT NULL,
  PRIMARY KEY (kind, id)
);
CREATE INDEX revocations_expires ON revocations (expires_at);
