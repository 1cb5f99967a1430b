-- A user's finished scans in the order of the pages that show them: to the millisecond, as the read model has it.
CREATE INDEX scan_records_history ON scan_records (user_id, date_trunc('milliseconds', completed_at AT TIME ZONE 'UTC') DESC, scan_id DESC)
  WHERE status IN ('completed', 'failed') AND completed_at IS NOT NULL;
