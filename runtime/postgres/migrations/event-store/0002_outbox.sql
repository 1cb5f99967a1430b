-- The outbox: what leaves this database for Kafka. Column names are the defaults of Debezium's outbox event router; the
-- columns after created_at are this pipeline's own. Rows are never changed; whole days are dropped once they are old and captured.
--
-- Any writer may insert, in the transaction that changes its state: id, aggregatetype, aggregateid, type, payload and
-- trace_id are enough. What it leaves out is filled in:
--   topic      what follows `events.` in the topic's name, by the rule of the topics;
--   stream_id, version
--              from the events row of the same id, when the writer inserted that first; otherwise the event is a stream of its
--              own (stream_id = id, version = 1). Read models guard by version, so a writer whose events change one document
--              again and again should write the events row first.
CREATE TABLE outbox (
  id                 uuid         NOT NULL,
  aggregatetype      varchar(64)  NOT NULL CHECK (aggregatetype <> ''),
  -- The record key.
  aggregateid        varchar(64)  NOT NULL CHECK (aggregateid <> ''),
  type               varchar(64)  NOT NULL CHECK (type <> ''),
  payload            jsonb        NOT NULL CHECK (jsonb_typeof(payload) = 'object'),
  trace_id           varchar(64)  NOT NULL CHECK (trace_id <> ''),
  request_id         varchar(64),
  created_at         timestamptz  NOT NULL DEFAULT now(),
  topic              varchar(160) NOT NULL CONSTRAINT outbox_topic CHECK (topic ~ '^[A-Za-z0-9._-]+$'),
  stream_id          varchar(64)  NOT NULL CHECK (stream_id <> ''),
  version            bigint       NOT NULL CHECK (version >= 1),
  traceparent        text,
  tracestate         text,
  -- The trace context in the text form of java.util.Properties, as Debezium's tracing reads it.
  tracingspancontext text,
  -- The id of the first event of the flow, and of the event that caused this one.
  correlation_id     varchar(64),
  causation_id       varchar(64),
  -- Kafka takes 1 MiB with key and headers; a row that could never be published is refused while its writer can still react.
  CONSTRAINT outbox_payload_size CHECK (octet_length(payload::text) <= 900000),
  PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);

-- The safety net: a row of a day without a partition lands here instead of failing its transaction.
CREATE TABLE outbox_default PARTITION OF outbox DEFAULT;

-- `('image', 'ImageRegistered')` is `image.registered`, `('my', 'ProfileUpdated')` is `my.profile_updated`. The same rule as
-- eventRoute in core/names.ts. The collation keeps other alphabets' ideas of lower case out.
CREATE FUNCTION event_route(domain text, type text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT domain || '.' || CASE WHEN starts_with(snake, domain || '_') THEN substr(snake, length(domain) + 2) ELSE snake END
  FROM lower(regexp_replace(regexp_replace(type,
    '([a-z0-9])([A-Z])', '\1_\2', 'g'),
    '([A-Z]+)([A-Z][a-z])', '\1_\2', 'g') COLLATE "C") AS snake
$$;

CREATE FUNCTION outbox_fill() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  stored record;
BEGIN
  IF NEW.topic IS NULL THEN
    NEW.topic := event_route(NEW.aggregatetype, NEW.type);
  END IF;
  IF NEW.stream_id IS NULL OR NEW.version IS NULL THEN
    SELECT aggregate_id, sequence_number INTO stored FROM events WHERE event_id = NEW.id;
    IF FOUND THEN
      NEW.stream_id := coalesce(NEW.stream_id, stored.aggregate_id);
      NEW.version := coalesce(NEW.version, stored.sequence_number);
    ELSIF NEW.stream_id IS NULL AND NEW.version IS NULL THEN
      NEW.stream_id := NEW.id::text;
      NEW.version := 1;
    ELSE
      RAISE EXCEPTION 'stream_id and version of an outbox row are given together, or follow from its events row'
        USING ERRCODE = 'not_null_violation';
    END IF;
  END IF;
  RETURN NEW;
END
$$;

CREATE TRIGGER outbox_fill BEFORE INSERT ON outbox FOR EACH ROW
  WHEN (NEW.topic IS NULL OR NEW.stream_id IS NULL OR NEW.version IS NULL) EXECUTE FUNCTION outbox_fill();
CREATE TRIGGER outbox_insert_only BEFORE UPDATE OR DELETE ON outbox FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER outbox_never_truncated BEFORE TRUNCATE ON outbox FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
-- Statement triggers are not passed on to partitions.
CREATE TRIGGER outbox_never_truncated BEFORE TRUNCATE ON outbox_default FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
