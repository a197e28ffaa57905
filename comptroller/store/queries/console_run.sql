-- One run: who, when, what it came to.
SELECT run, tenant, customer, "user", workflow, agent, "key", parent, outer_run, trace,
  {status} AS status,
  left(coalesce(nullif(error, ''), nullif(first_error, ''), refusal), 300) AS reason, error, first_error, refusal,
  cause, started, ended, latest, calls, failed, refused, redacted, estimated, unpriced, opaque, input, output, cost,
  currency,  budget, budget_currency, {names agents} AS agents, {names models} AS models,
  (SELECT count(*) FROM open_calls AS o WHERE o.run = r.run) AS unfinished,
  (SELECT list(struct_pack(currency := o.currency, cost := o.cost) ORDER BY o.currency)
    FROM other_costs AS o WHERE o.run = r.run) AS other_costs
FROM runs AS r WHERE run = $run::VARCHAR AND {only tenant, customer}
