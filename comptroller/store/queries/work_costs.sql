-- What providers are owed for the calls from one instant to another, by customer, provider, agent and run.
SELECT tenant, customer, provider, agent, run, currency, sum(cost) AS cost
FROM (SELECT *, coalesce(nullif(regexp_extract(dialect, '^[a-z0-9]+'), ''), 'other') AS provider FROM calls
  WHERE ended >= make_timestamptz($since::BIGINT // 1000) AND ended < make_timestamptz($until::BIGINT // 1000)
    AND customer <> '' AND cost > 0)
GROUP BY ALL ORDER BY tenant, customer, provider, agent, run, currency
