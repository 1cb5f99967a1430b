-- The profile.
CREATE TABLE users (
  user_id             varchar(64) PRIMARY KEY,
  total_characters    integer     NOT NULL DEFAULT 0 CHECK (total_characters >= 0),
  last_character_id   varchar(64),
  last_character_name text,
  last_acquired_at    timestamptz,
  updated_at          timestamptz
);

CREATE TABLE preferences (
  user_id     varchar(64) PRIMARY KEY,
  preferences jsonb       NOT NULL DEFAULT '{}',
  updated_at  timestamptz
);
