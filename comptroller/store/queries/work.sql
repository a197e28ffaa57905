-- What was done for each customer from one instant to another: by agent, provider and currency, and (agent NULL) in all.
SELECT tenant, customer, agent, provider, currency, count(*)::BIGINT AS calls, count(DISTINCT run)::BIGINT AS runs,
  sum(input + output + cache_read + cache_write)::BIGINT AS tokens, sum(cost) AS cost
FROM (SELECT *, coalesce(nullif(regexp_extract(dialect, '^[a-z0-9]+'), ''), 'other') AS provider FROM calls
  WHERE ended >= make_timestamptz($since::BIGINT // 1000) AND ended < make_timestamptz($until::BIGINT // 1000)
    AND customer <> '' AND status NOT IN ('denied', 'over_budget', 'rate_limited', 'pending'))
GROUP BY GROUPING SETS ((tenant, customer, agent, provider, currency), (tenant, customer))
ORDER BY tenant, customer, agent, provider, currency
