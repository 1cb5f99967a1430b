-- How often a record was given back (a replay of its dead letter) while its row was still here. Whoever takes the row for one
-- that was given up says which count it has seen: a record that was given back since then is not given up.
ALTER TABLE parked_records ADD COLUMN given integer NOT NULL DEFAULT 0 CHECK (given >= 0);
