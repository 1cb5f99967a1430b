CREATE TABLE images (
  image_id      varchar(64) PRIMARY KEY,
  user_id       varchar(64) NOT NULL,
  cdn_url       text,
  status        text        NOT NULL,
  registered_at timestamptz,
  processed_at  timestamptz,
  deleted_at    timestamptz
);
CREATE INDEX images_user ON images (user_id, registered_at DESC);
