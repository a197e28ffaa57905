-- What happened from `since` to `until` ('now') and from `before` to `since` ('before'), in whole hours.
WITH hours AS (
  SELECT CASE WHEN hour >= date_trunc('hour', $since::VARCHAR::TIMESTAMPTZ) THEN 'now' ELSE 'before' END AS period, *
  FROM calls_hourly
  WHERE {only tenant, customer, workflow}
    AND hour >= date_trunc('hour', coalesce($before::VARCHAR, $since::VARCHAR)::TIMESTAMPTZ)
    AND ($until::VARCHAR IS NULL OR hour < $until::VARCHAR::TIMESTAMPTZ)
), calls AS (
  SELECT period, sum(calls)::BIGINT AS calls, sum(failed)::BIGINT AS failed, sum(refused)::BIGINT AS refused,
    sum(redacted)::BIGINT AS redacted, sum(cached)::BIGINT AS cached, sum(unpriced)::BIGINT AS unpriced,
    sum(overruns)::BIGINT AS overruns, sum(input)::BIGINT AS input, sum(output)::BIGINT AS output
  FROM hours GROUP BY period
), money AS (
  SELECT period, list(struct_pack(currency := currency, cost := cost, saved := saved) ORDER BY currency) AS costs
  FROM (SELECT period, currency, sum(cost) AS cost, sum(saved) AS saved FROM hours WHERE currency <> '' GROUP BY ALL)
  GROUP BY period
), started AS (
  SELECT CASE WHEN hour >= date_trunc('hour', $since::VARCHAR::TIMESTAMPTZ) THEN 'now' ELSE 'before' END AS period,
    sum(runs)::BIGINT AS runs, sum(ok)::BIGINT AS ok, sum(failed)::BIGINT AS failed,
    sum(abandoned)::BIGINT AS abandoned
  FROM runs_hourly
  WHERE {only tenant, customer, workflow}
    AND hour >= date_trunc('hour', coalesce($before::VARCHAR, $since::VARCHAR)::TIMESTAMPTZ)
    AND ($until::VARCHAR IS NULL OR hour < $until::VARCHAR::TIMESTAMPTZ)
  GROUP BY period
)
SELECT p.period, coalesce(r.runs, 0) AS runs, coalesce(r.ok, 0) AS runs_ok, coalesce(r.failed, 0) AS runs_failed,
  coalesce(r.abandoned, 0) AS runs_abandoned, coalesce(r.runs - r.ok - r.failed - r.abandoned, 0) AS runs_open,
  coalesce(c.calls, 0) AS calls, coalesce(c.failed, 0) AS failed, coalesce(c.refused, 0) AS refused,
  coalesce(c.redacted, 0) AS redacted, coalesce(c.cached, 0) AS cached, coalesce(c.unpriced, 0) AS unpriced,
  coalesce(c.overruns, 0) AS overruns, coalesce(c.input, 0) AS input, coalesce(c.output, 0) AS output, m.costs
FROM (SELECT unnest(['now', 'before']) AS period) AS p LEFT JOIN started AS r USING (period)
LEFT JOIN calls AS c USING (period) LEFT JOIN money AS m USING (period)
WHERE $since::VARCHAR IS NOT NULL AND (p.period = 'now' OR $before::VARCHAR IS NOT NULL) ORDER BY p.period DESC
