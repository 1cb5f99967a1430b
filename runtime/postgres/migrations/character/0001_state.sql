-- The catalogue: reference data without events.
CREATE TABLE characters (
  character_id varchar(64) PRIMARY KEY,
  name         text NOT NULL,
  -- The waste category whose scan is rewarded with this character.
  category     text NOT NULL UNIQUE,
  description  text
);

CREATE TABLE character_ownerships (
  user_id        varchar(64) NOT NULL,
  character_id   varchar(64) NOT NULL,
  character_name text,
  source         text,
  source_id      varchar(64),
  acquired_at    timestamptz,
  released_at    timestamptz,
  status         text        NOT NULL,
  PRIMARY KEY (user_id, character_id)
);
CREATE INDEX character_ownerships_acquired ON character_ownerships (acquired_at);
