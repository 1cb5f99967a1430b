-- Up to when the inbox has forgotten what was handled: of an older event nobody can say any more whether it had its effect.
-- Kept by the sweep, in the transaction that forgets.
CREATE TABLE inbox_horizon (
  only_row     boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
  forgotten_to timestamptz NOT NULL
);

-- Sweeps of an inbox that is older than this table have told nobody; one that is made right now has forgotten nothing.
INSERT INTO inbox_horizon (forgotten_to)
SELECT CASE WHEN EXISTS (SELECT FROM applied_migrations WHERE name = 'inbox/0001_processed_events.sql' AND applied_at < now())
  THEN now() - interval '31 days' ELSE '-infinity' END;
