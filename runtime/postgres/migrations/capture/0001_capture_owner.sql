-- Who may read from the slot of this domain's outbox. Relays obey the row while they run; a handover changes it. No row: the relay.
CREATE TABLE capture_owner (
  only_row   boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
  owner      text        NOT NULL CHECK (owner IN ('relay', 'debezium')),
  changed_at timestamptz NOT NULL DEFAULT now()
);
