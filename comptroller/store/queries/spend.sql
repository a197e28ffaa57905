-- What was spent, summed by whatever is asked for; currencies are never added to one another. Days are UTC.
-- Summed over the calls themselves: the sums by day know neither keys, users and tenants nor what was refused.
SELECT CASE WHEN $by_day::BOOLEAN THEN CAST(ended AS DATE) END AS day,
  CASE WHEN $by_tenant::BOOLEAN THEN tenant END AS tenant, CASE WHEN $by_customer::BOOLEAN THEN customer END AS customer,
  CASE WHEN $by_user::BOOLEAN THEN "user" END AS "user", CASE WHEN $by_key::BOOLEAN THEN "key" END AS "key",
  CASE WHEN $by_workflow::BOOLEAN THEN workflow END AS workflow, CASE WHEN $by_agent::BOOLEAN THEN agent END AS agent,
  CASE WHEN $by_model::BOOLEAN THEN model END AS model, currency, count(*) AS calls,
  count(*) FILTER (status IN ('error', 'cut', 'cancelled', 'expired')) AS failed,
  count(*) FILTER (status IN ('denied', 'over_budget', 'rate_limited', 'pending')) AS refused,
  sum(input)::BIGINT AS input, sum(output)::BIGINT AS output, sum(cost) AS cost,
  count(*) FILTER (cached <> '') AS cached, sum(saved) AS saved
FROM calls
WHERE ($since::VARCHAR IS NULL OR ended >= CAST($since::VARCHAR || 'T00:00:00Z' AS TIMESTAMPTZ))
  AND ($until::VARCHAR IS NULL OR ended < CAST($until::VARCHAR || 'T00:00:00Z' AS TIMESTAMPTZ))
GROUP BY ALL ORDER BY day DESC, currency, cost DESC, tenant, customer, "user", "key", workflow, agent, model
LIMIT coalesce($limit::BIGINT, 1000)
