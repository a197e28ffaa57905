-- A page of runs. `rank` and `seq` of the last row are where the next begins; `offset` jumps. `search` is looked for in
-- id, customer, workflow, errors and refusals; by cost they are sorted to the millionth. `reason` says in short why a run went wrong, where it did;
-- `total` is how many runs all the pages have.
WITH fitting AS MATERIALIZED (
  SELECT seq, CASE WHEN $rising::BOOLEAN THEN -1 ELSE 1 END * CASE $sort::VARCHAR
      WHEN 'cost' THEN CAST(CAST(cost AS DOUBLE) * 1000000 AS BIGINT) WHEN 'calls' THEN calls
      WHEN 'failed' THEN failed WHEN 'refused' THEN refused
      WHEN 'took' THEN epoch_us(coalesce(ended, latest)) - epoch_us(started)
      ELSE epoch_us(started) END AS rank
  FROM runs
  WHERE {only tenant, customer, workflow, user, currency}
    AND ($agent::VARCHAR IS NULL OR contains(chr(10) || agents || chr(10), chr(10) || $agent::VARCHAR || chr(10)))
    AND ($model::VARCHAR IS NULL OR contains(chr(10) || models || chr(10), chr(10) || $model::VARCHAR || chr(10)))
    AND ($cost_from::VARCHAR IS NULL OR cost >= $cost_from::VARCHAR::DECIMAL(38,9))
    AND ($cost_to::VARCHAR IS NULL OR cost <= $cost_to::VARCHAR::DECIMAL(38,9))
    AND {between started}
    AND ($status::VARCHAR IS NULL OR $status::VARCHAR = {status})
    AND ($search::VARCHAR IS NULL OR starts_with(run, $search::VARCHAR)
      OR contains(lower(concat_ws(' ', run, customer, workflow, error, first_error, refusal)), lower($search::VARCHAR)))
    AND ($cause::VARCHAR IS NULL
      OR ($cause_kind::VARCHAR IS NULL AND cause <> '' AND cause = $cause::VARCHAR)
      OR ($cause_kind::VARCHAR = 'run' AND cause = $cause::VARCHAR AND failed = 0 AND status NOT IN ('ok', 'open')
        AND ($cause_name::VARCHAR IS NULL OR workflow = $cause_name::VARCHAR))
      OR (coalesce($cause_kind::VARCHAR, '') <> 'run' AND run IN (SELECT c.run FROM calls AS c
        WHERE c.cause = $cause::VARCHAR AND c.status IN ('error', 'cut', 'cancelled', 'expired')
          AND ($cause_kind::VARCHAR IS NULL OR c.kind = $cause_kind::VARCHAR)
          AND ($cause_name::VARCHAR IS NULL OR c.name = $cause_name::VARCHAR)
          AND ($cause_status::VARCHAR IS NULL OR c.status = $cause_status::VARCHAR)
          AND ($since::VARCHAR IS NULL OR c.ended >= $since::VARCHAR::TIMESTAMPTZ))))
), page AS (
  SELECT seq, rank FROM fitting
  WHERE $rank::BIGINT IS NULL OR rank < $rank::BIGINT OR (rank = $rank::BIGINT AND seq < $seq::BIGINT)
  ORDER BY rank DESC, seq DESC LIMIT coalesce($limit::BIGINT, 50) OFFSET coalesce($offset::BIGINT, 0)
)
SELECT r.seq, run, tenant, customer, "user", workflow, agent, outer_run AS "outer",
  {status} AS status,
  left(coalesce(nullif(error, ''), nullif(first_error, ''), refusal), 300) AS reason, error, first_error, refusal,
  started, ended, latest, calls, failed, refused, redacted, estimated, unpriced, opaque, input, output, cost, currency,
  budget, budget_currency, {names agents} AS agents, {names models} AS models,
  (SELECT list(struct_pack(currency := o.currency, cost := o.cost) ORDER BY o.currency)
    FROM other_costs AS o WHERE o.run = r.run) AS other_costs, p.rank,
  (SELECT count(*) FROM fitting) AS total
FROM runs AS r JOIN page AS p ON p.seq = r.seq ORDER BY p.rank DESC, r.seq DESC
