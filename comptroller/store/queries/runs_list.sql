-- Runs, newest first. `deserted`: nobody uses the ledger, so that no run of it can still be under way.
SELECT run, tenant, customer, "user", workflow, agent, outer_run,
  CASE WHEN status = 'open' AND (lost > last OR $deserted::BOOLEAN) THEN 'abandoned' ELSE status END AS status,
  error, first_error, started, ended, latest, calls, failed, refused, redacted, estimated, unpriced, opaque, input, output,
  cost, currency, budget, budget_currency,
  (SELECT list(struct_pack(currency := o.currency, cost := o.cost) ORDER BY o.currency)
    FROM other_costs AS o WHERE o.run = r.run) AS other_costs
FROM runs AS r
WHERE ($workflow::VARCHAR IS NULL OR workflow = $workflow::VARCHAR)
  AND ($customer::VARCHAR IS NULL OR customer = $customer::VARCHAR)
  AND ($status::VARCHAR IS NULL OR $status::VARCHAR =
    CASE WHEN status = 'open' AND (lost > last OR $deserted::BOOLEAN) THEN 'abandoned' ELSE status END)
  AND ($since::VARCHAR IS NULL OR started >= $since::VARCHAR::TIMESTAMPTZ)
ORDER BY started DESC, seq DESC
LIMIT coalesce($limit::BIGINT, 50)
