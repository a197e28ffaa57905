-- What was spent, by day of UTC and whatever else is asked for; currencies are never added to one another.
SELECT CASE WHEN $by_day::BOOLEAN THEN day END AS day,
  CASE WHEN $by_tenant::BOOLEAN THEN tenant END AS tenant,
  CASE WHEN $by_customer::BOOLEAN THEN customer END AS customer,
  CASE WHEN $by_workflow::BOOLEAN THEN workflow END AS workflow, CASE WHEN $by_agent::BOOLEAN THEN agent END AS agent,
  CASE WHEN $by_model::BOOLEAN THEN model END AS model, CASE WHEN $by_kind::BOOLEAN THEN kind END AS kind,
  CASE WHEN $by_name::BOOLEAN THEN name END AS name, currency, sum(calls)::BIGINT AS calls,
  sum(failed)::BIGINT AS failed,
  sum(refused)::BIGINT AS refused, sum(input)::BIGINT AS input, sum(output)::BIGINT AS output,
  sum(cache_read)::BIGINT AS cache_read, sum(cost) AS cost, sum(cached)::BIGINT AS cached, sum(saved) AS saved
FROM costs_daily
WHERE {only tenant, customer, workflow, agent, model, kind} AND {days day}
GROUP BY ALL ORDER BY day, currency, cost DESC, tenant, customer, workflow, agent, model, kind, name
LIMIT coalesce($limit::BIGINT, 20000)
