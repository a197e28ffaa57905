-- What each run spent from one instant to another (ns since 1970), by workflow, agent, model and currency: what
-- successes cost is told of these. Calls that were refused cost nothing and are left out.
SELECT tenant, customer, run, workflow, agent, model, currency, count(*)::BIGINT AS calls, sum(cost) AS cost
FROM calls
WHERE run <> '' AND status NOT IN ('denied', 'over_budget', 'rate_limited', 'pending')
  AND ended >= make_timestamptz(coalesce($since::BIGINT, 0) // 1000)
  AND ($until IS NULL OR ended < make_timestamptz($until::BIGINT // 1000))
GROUP BY ALL ORDER BY ALL
