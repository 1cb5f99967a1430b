-- Who looks for a flow knows its correlation id, or the trace id of the request that began it.
CREATE INDEX events_correlation_id ON events ((metadata->>'correlation_id'));
CREATE INDEX events_trace_id ON events ((metadata->>'trace_id'));
