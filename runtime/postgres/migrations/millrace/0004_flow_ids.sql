-- As long as the correlation id and the trace id of an envelope may be.
ALTER TABLE flows ALTER COLUMN flow_id TYPE varchar(128), ALTER COLUMN trace_id TYPE varchar(128);
