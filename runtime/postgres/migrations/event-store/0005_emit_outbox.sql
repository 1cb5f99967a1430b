-- An event for the topic that no table keeps: a transactional logical message, which the capture publishes by the rule of the
-- outbox. For what happens once and is needed no more when it is in Kafka. The log alone holds it: nothing can publish it again after the
-- slot was lost, and the event store does not know it. A transaction that fails emits nothing.
--
-- What the table would refuse is refused here, while the writer can still react.
CREATE FUNCTION emit_outbox(
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
