-- Runs of a workflow that went well, the latest before an instant first: what a failed one is compared with.
SELECT run, tenant, customer, workflow, agent, started, ended, calls, cost, currency FROM runs
WHERE status = 'ok' AND failed = 0 AND refused = 0 AND calls > 0 AND workflow = $workflow::VARCHAR
  AND {only tenant, customer}
  AND ($before::VARCHAR IS NULL OR started < $before::VARCHAR::TIMESTAMPTZ)
ORDER BY started DESC, seq DESC LIMIT coalesce($limit::BIGINT, 10)
