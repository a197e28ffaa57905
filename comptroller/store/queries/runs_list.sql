-- Runs, newest first.
SELECT run, tenant, customer, "user", workflow, agent, status, coalesce(nullif(error, ''), first_error) AS error,
  started, ended, latest, calls, failed, refused, redacted, estimated, unpriced, input, output,
  cost, currency, budget, budget_currency
FROM runs
WHERE ($workflow::VARCHAR IS NULL OR workflow = $workflow::VARCHAR)
  AND ($customer::VARCHAR IS NULL OR customer = $customer::VARCHAR)
  AND ($status::VARCHAR IS NULL OR status = $status::VARCHAR)
  AND ($since::VARCHAR IS NULL OR started >= $since::VARCHAR::TIMESTAMPTZ)
ORDER BY started DESC, seq DESC
LIMIT coalesce($limit::BIGINT, 50)
