-- What was spent, summed by whatever is asked for; currencies are never added to one another. Days are UTC.
SELECT CASE WHEN $by_day::BOOLEAN THEN day END AS day, CASE WHEN $by_customer::BOOLEAN THEN customer END AS customer,
  CASE WHEN $by_workflow::BOOLEAN THEN workflow END AS workflow, CASE WHEN $by_agent::BOOLEAN THEN agent END AS agent,
  CASE WHEN $by_model::BOOLEAN THEN model END AS model, currency, sum(calls)::BIGINT AS calls,
  sum(failed)::BIGINT AS failed, sum(input)::BIGINT AS input, sum(output)::BIGINT AS output, sum(cost) AS cost,
  sum(cached)::BIGINT AS cached, sum(saved) AS saved
FROM costs_daily
WHERE ($since::VARCHAR IS NULL OR day >= $since::VARCHAR::DATE) AND ($until::VARCHAR IS NULL OR day < $until::VARCHAR::DATE)
GROUP BY ALL ORDER BY day DESC, currency, cost DESC, customer, workflow, agent, model
LIMIT coalesce($limit::BIGINT, 1000)
