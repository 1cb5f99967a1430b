-- Who looks into a flow asks for what was decided on its events, or on its trace.
CREATE INDEX dead_letter_audit_event_id ON dead_letter_audit (event_id);
CREATE INDEX dead_letter_audit_trace_id ON dead_letter_audit (trace_id);
