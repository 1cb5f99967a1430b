CREATE TABLE deliveries (
  delivery_id varchar(64) PRIMARY KEY,
  user_id     varchar(64) NOT NULL,
  kind        text        NOT NULL,
  status      text        NOT NULL,
  event_id    varchar(64),
  reason      text,
  created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX deliveries_user ON deliveries (user_id, created_at DESC);

-- What a user finds when the push never arrived.
CREATE TABLE inbox (
  delivery_id varchar(64) PRIMARY KEY,
  user_id     varchar(64) NOT NULL,
  kind        text        NOT NULL,
  title       text        NOT NULL,
  data        jsonb       NOT NULL DEFAULT '{}',
  created_at  timestamptz NOT NULL DEFAULT now(),
  read_at     timestamptz
);
CREATE INDEX inbox_user ON inbox (user_id, created_at DESC);
