-- How the outbox forgets. A part of it (a partition, or the old rows of the default partition) goes once it is older than
-- the retention and every row in it was captured. That it was is proven by a barrier: a position in the write-ahead log that
-- lies behind the commits of all its rows. Once the slot has confirmed the barrier, it has confirmed the rows.
CREATE TABLE outbox_barriers (
  -- Name of the partition's table.
  partition         text        PRIMARY KEY,
  -- A position of another server, brought here by a restored dump, proves nothing.
  system_identifier bigint      NOT NULL,
  barrier_lsn       pg_lsn      NOT NULL,
  -- For the default partition, which goes on to take rows: the barrier covers those of transactions below this one.
  horizon           xid8,
  noted_at          timestamptz NOT NULL DEFAULT now()
);

-- A sealed partition still takes rows: a writer may give any created_at. Each such row takes the barrier away in the
-- writer's own transaction, so that a barrier that is there covers every row that is there.
CREATE FUNCTION outbox_late_row() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  DELETE FROM outbox_barriers WHERE partition = TG_TABLE_NAME;
  RETURN NULL;
END
$$;

-- As before, with one door: rows of the outbox's default partition, in a transaction that says it sweeps, by a role that
-- owns the table. A writer's role has neither the right to delete nor this door.
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'outbox_default' AND current_setting('millrace.outbox_sweep', true) = 'on'
     AND pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE') THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;

-- Snapshots of streams that nobody touches are swept, oldest first.
CREATE INDEX snapshots_created_at ON snapshots (created_at, aggregate_type, aggregate_id);
