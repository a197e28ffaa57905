-- A page of one tenant's runs, in an order of one's choice. `rank` and `seq` of the last row are where the next begins.
SELECT *, status IN ('open', 'abandoned') AS unfinished FROM (
  SELECT seq, run, tenant, customer, "user", workflow, agent, outer_run AS "outer",
    CASE WHEN status = 'open' AND (lost > last OR $deserted::BOOLEAN) THEN 'abandoned' ELSE status END AS status,
    error, first_error, started, ended, calls, failed, refused, redacted, estimated, unpriced, opaque, input, output,
    cost, currency, budget, budget_currency,
    (SELECT list(struct_pack(currency := o.currency, cost := o.cost) ORDER BY o.currency)
      FROM other_costs AS o WHERE o.run = r.run) AS other_costs,
    CASE WHEN $rising::BOOLEAN THEN -1 ELSE 1 END * CASE $sort::VARCHAR WHEN 'cost' THEN CAST(cost * 1000000000 AS HUGEINT)
      WHEN 'calls' THEN CAST(calls AS HUGEINT) ELSE CAST(epoch_us(started) AS HUGEINT) END AS rank
  FROM runs AS r
  WHERE ($tenant::VARCHAR IS NULL OR tenant = $tenant::VARCHAR)
    AND ($customer::VARCHAR IS NULL OR customer = $customer::VARCHAR)
    AND ($user::VARCHAR IS NULL OR "user" = $user::VARCHAR)
    AND ($workflow::VARCHAR IS NULL OR workflow = $workflow::VARCHAR)
    AND ($since::VARCHAR IS NULL OR started >= $since::VARCHAR::TIMESTAMPTZ)
    AND ($until::VARCHAR IS NULL OR started < $until::VARCHAR::TIMESTAMPTZ))
WHERE ($status::VARCHAR IS NULL OR status = $status::VARCHAR)
  AND ($rank::HUGEINT IS NULL OR rank < $rank::HUGEINT OR (rank = $rank::HUGEINT AND seq < $seq::BIGINT))
ORDER BY rank DESC, seq DESC LIMIT coalesce($limit::BIGINT, 50)
