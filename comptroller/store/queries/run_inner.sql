-- The runs opened inside one run, at any depth: whom they hang from, and what each cost by itself.
WITH RECURSIVE inside AS (
  SELECT run, 1 AS depth FROM runs WHERE outer_run = $run::VARCHAR AND {between started}
  UNION
  SELECT r.run, i.depth + 1 FROM runs AS r JOIN inside AS i ON r.outer_run = i.run
  WHERE i.depth < 100 AND {between r.started}
)
SELECT run, outer_run, parent, workflow, customer, agent,
  CASE WHEN status = 'open' AND (lost > last OR $deserted::BOOLEAN) THEN 'abandoned' ELSE status END AS status,
  coalesce(nullif(error, ''), first_error) AS error, started, ended, calls, cost, currency,
  (SELECT list(struct_pack(currency := o.currency, cost := o.cost) ORDER BY o.currency)
    FROM other_costs AS o WHERE o.run = r.run) AS other_costs
FROM runs AS r WHERE run <> $run::VARCHAR AND run IN (SELECT run FROM inside) AND {only tenant, customer}
  AND {between started}
ORDER BY started, seq
