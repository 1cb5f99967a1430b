-- Forms that are only reached by evolution belong to no category.
ALTER TABLE characters ALTER COLUMN category DROP NOT NULL;
ALTER TABLE characters ADD COLUMN level integer NOT NULL DEFAULT 0;
ALTER TABLE characters ADD COLUMN evolves_from varchar(64);
