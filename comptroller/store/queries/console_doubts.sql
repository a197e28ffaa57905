-- Calls whose cost is in doubt, by model: without a price, so that they count as nothing; by an estimate of their tokens;
-- or with tokens that nobody told at all. `last_run` is where one was made last.
SELECT kind, CASE WHEN model = '' THEN name ELSE model END AS model, currency,
  count(*) FILTER (unpriced)::BIGINT AS unpriced, count(*) FILTER (estimated)::BIGINT AS estimated,
  count(*) FILTER (opaque AND NOT estimated AND NOT unpriced)::BIGINT AS untold,
  sum(CASE WHEN estimated THEN cost ELSE 0 END) AS estimated_cost, max(ended) AS latest, arg_max(run, seq) AS last_run
FROM calls
WHERE {only tenant, customer, workflow} AND {between ended}
  AND (unpriced OR estimated OR opaque AND status NOT IN ('denied', 'over_budget', 'rate_limited', 'pending'))
GROUP BY ALL ORDER BY unpriced DESC, estimated DESC, untold DESC, model, currency LIMIT coalesce($limit::BIGINT, 50)
