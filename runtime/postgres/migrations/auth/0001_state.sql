CREATE TABLE users (
  user_id    varchar(64) PRIMARY KEY,
  provider   text        NOT NULL,
  email_hash text,
  created_at timestamptz NOT NULL
);

CREATE TABLE user_social_accounts (
  provider     text        NOT NULL,
  -- The provider's id of the account, hashed.
  subject_hash text        NOT NULL,
  user_id      varchar(64) NOT NULL,
  linked_at    timestamptz NOT NULL,
  PRIMARY KEY (provider, subject_hash)
);
CREATE INDEX user_social_accounts_user ON user_social_accounts (user_id);

CREATE TABLE login_audits (
  session_id    varchar(64) PRIMARY KEY,
  user_id       varchar(64) NOT NULL,
  ip_hash       text,
  user_agent    text,
  logged_in_at  timestamptz NOT NULL,
  logged_out_at timestamptz
);
CREATE INDEX login_audits_user ON login_audits (user_id, logged_in_at);
