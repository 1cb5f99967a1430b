-- The audit is written by everybody and changed by nobody. Its rows go by this function alone, which takes none that is younger
-- than thirty days, whoever calls it.
CREATE FUNCTION sweep_dead_letter_audit(retention_days integer, rows_max integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  swept bigint;
BEGIN
  WITH gone AS (
    DELETE FROM dead_letter_audit WHERE audit_id IN (
      SELECT audit_id FROM dead_letter_audit WHERE created_at < now() - make_interval(days => greatest(retention_days, 30))
      ORDER BY created_at LIMIT rows_max FOR UPDATE SKIP LOCKED)
    RETURNING 1)
  SELECT count(*) INTO swept FROM gone;
  RETURN swept;
END
$$;
