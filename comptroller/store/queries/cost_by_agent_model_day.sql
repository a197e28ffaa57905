-- What agents spent on which model, by day; currencies are never added to one another.
SELECT day, agent, model, currency, sum(calls)::BIGINT AS calls, sum(failed)::BIGINT AS failed,
  sum(input)::BIGINT AS input, sum(output)::BIGINT AS output, sum(cost) AS cost,
  (sum(cost) / nullif(sum(calls), 0))::DECIMAL(38,9) AS cost_per_call
FROM costs_daily
WHERE ($since::VARCHAR IS NULL OR day >= $since::VARCHAR::DATE) AND ($until::VARCHAR IS NULL OR day < $until::VARCHAR::DATE)
  AND ($customer::VARCHAR IS NULL OR customer = $customer::VARCHAR)
  AND ($workflow::VARCHAR IS NULL OR workflow = $workflow::VARCHAR)
GROUP BY day, agent, model, currency ORDER BY day DESC, cost DESC, agent, model, currency
LIMIT coalesce($limit::BIGINT, 1000)
