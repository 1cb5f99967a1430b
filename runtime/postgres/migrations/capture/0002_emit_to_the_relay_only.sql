-- Debezium's outbox router knows rows alone, and would pass over an event that no table keeps without a word. So nothing is emitted
-- while it captures the domain.
CREATE OR REPLACE FUNCTION emit_outbox(
  aggregatetype  text,
  aggregateid    text,
  type           text,
  payload        jsonb,
  trace_id       text,
  id             uuid   DEFAULT gen_random_uuid(),
  topic          text   DEFAULT NULL,
  stream_id      text   DEFAULT NULL,
  version        bigint DEFAULT NULL,
  request_id     text   DEFAULT NULL,
  traceparent    text   DEFAULT NULL,
  tracestate     text   DEFAULT NULL,
  correlation_id text   DEFAULT NULL,
  causation_id   text   DEFAULT NULL
) RETURNS uuid LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  envelope jsonb;
  needed text;
BEGIN
  -- A snapshot that was taken before a handover would not show it.
  IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
    RAISE EXCEPTION 'an outbox event without a table is emitted at the isolation level READ COMMITTED' USING ERRCODE = 'invalid_transaction_state';
  END IF;
  -- Until the end of the transaction: a handover waits for it, and then finds the message in the log.
  PERFORM pg_advisory_xact_lock_shared(hashtextextended('millrace.capture_owner', 0));
  IF EXISTS (SELECT FROM capture_owner WHERE owner <> 'relay') THEN
    RAISE EXCEPTION 'an outbox event without a table would be lost: Debezium captures this domain'
      USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Write a row into the outbox, or hand the capture over to the relay.';
  END IF;
  IF (stream_id IS NULL) <> (version IS NULL) THEN
    RAISE EXCEPTION 'stream_id and version are given together' USING ERRCODE = 'not_null_violation';
  END IF;
  envelope := jsonb_strip_nulls(jsonb_build_object(
    'id', id, 'aggregatetype', aggregatetype, 'aggregateid', aggregateid, 'type', type, 'trace_id', trace_id,
    'topic', coalesce(topic, event_route(aggregatetype, type)),
    'stream_id', coalesce(stream_id, id::text), 'version', coalesce(version, 1),
    'created_at', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00',
    'request_id', request_id, 'traceparent', traceparent, 'tracestate', tracestate,
    'correlation_id', correlation_id, 'causation_id', causation_id));
  FOREACH needed IN ARRAY ARRAY['id', 'aggregatetype', 'aggregateid', 'type', 'trace_id', 'topic', 'stream_id'] LOOP
    IF coalesce(envelope ->> needed, '') = '' THEN
      RAISE EXCEPTION 'an outbox event needs %', needed USING ERRCODE = 'not_null_violation';
    END IF;
  END LOOP;
  FOREACH needed IN ARRAY ARRAY['aggregatetype', 'aggregateid', 'type', 'trace_id', 'stream_id', 'request_id', 'correlation_id', 'causation_id'] LOOP
    IF length(envelope ->> needed) > 64 THEN
      RAISE EXCEPTION '% of an outbox event is longer than 64 characters', needed USING ERRCODE = 'string_data_right_truncation';
    END IF;
  END LOOP;
  IF envelope ->> 'topic' !~ '^[A-Za-z0-9._-]{1,160}$' OR (envelope ->> 'version')::bigint < 1 THEN
    RAISE EXCEPTION 'topic or version of an outbox event are not valid' USING ERRCODE = 'check_violation';
  END IF;
  IF payload IS NULL OR jsonb_typeof(payload) <> 'object' OR octet_length(payload::text) > 900000 THEN
    RAISE EXCEPTION 'the payload of an outbox event is an object of at most 900000 bytes' USING ERRCODE = 'check_violation';
  END IF;
  -- The payload's text as the server prints it, not parsed again on its way.
  PERFORM pg_logical_emit_message(true, 'millrace.outbox', left(envelope::text, -1) || ', "payload": ' || payload::text || '}');
  RETURN id;
END
$$;
