-- One run: who, when, what it came to.
SELECT run, tenant, customer, "user", workflow, agent, "key", parent, trace, status,
  coalesce(nullif(error, ''), first_error) AS error, started, ended, latest, calls, failed, refused, redacted,
  estimated, unpriced, input, output, cost, currency, budget, budget_currency,
  (SELECT count(*) FROM open_calls AS o WHERE o.run = r.run) AS unfinished,
  (SELECT list(struct_pack(currency := o.currency, cost := o.cost) ORDER BY o.currency)
    FROM other_costs AS o WHERE o.run = r.run) AS other_costs
FROM runs AS r WHERE run = $run::VARCHAR
