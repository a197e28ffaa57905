-- One run: who, when, what it came to. `deserted`: nobody uses the ledger, so that it cannot still be under way.
SELECT run, tenant, customer, "user", workflow, agent, "key", parent, outer_run, trace,
  CASE WHEN status = 'open' AND (lost > last OR $deserted::BOOLEAN) THEN 'abandoned' ELSE status END AS status,
  error, first_error, started, ended, latest, calls, failed, refused, redacted, estimated, unpriced, opaque, input, output,
  cost, currency, budget, budget_currency,
  (SELECT count(*) FROM open_calls AS o WHERE o.run = r.run) AS unfinished,
  (SELECT list(struct_pack(currency := o.currency, cost := o.cost) ORDER BY o.currency)
    FROM other_costs AS o WHERE o.run = r.run) AS other_costs
FROM runs AS r WHERE run = $run::VARCHAR
