-- What each workflow (or `by` 'customer' or 'tenant') did: runs by the hour they began in, calls by that they ended in.
WITH calls AS (
  SELECT CASE $by::VARCHAR WHEN 'customer' THEN customer WHEN 'tenant' THEN tenant ELSE workflow END AS name, currency,
    sum(calls) AS calls, sum(failed) AS failed, sum(refused) AS refused, sum(cost) AS cost
  FROM calls_hourly
  WHERE {only tenant, customer, workflow} AND {hours hour}
  GROUP BY ALL
), summed AS (
  SELECT name, sum(calls)::BIGINT AS calls, sum(failed)::BIGINT AS failed, sum(refused)::BIGINT AS refused,
    {costs} AS costs, max(cost) AS most
  FROM calls GROUP BY name
), started AS (
  SELECT CASE $by::VARCHAR WHEN 'customer' THEN customer WHEN 'tenant' THEN tenant ELSE workflow END AS name,
    sum(runs)::BIGINT AS runs, sum(ok)::BIGINT AS ok, sum(failed)::BIGINT AS failed, sum(abandoned)::BIGINT AS abandoned
  FROM runs_hourly
  WHERE {only tenant, customer, workflow} AND {hours hour}
  GROUP BY name
)
SELECT name, coalesce(r.runs, 0) AS runs, coalesce(r.ok, 0) AS runs_ok, coalesce(r.failed, 0) AS runs_failed,
  coalesce(r.abandoned, 0) AS runs_abandoned, coalesce(r.runs - r.ok - r.failed - r.abandoned, 0) AS runs_open,
  coalesce(c.calls, 0) AS calls, coalesce(c.failed, 0) AS failed, coalesce(c.refused, 0) AS refused, c.costs
FROM started AS r FULL JOIN summed AS c USING (name)
ORDER BY c.most DESC NULLS LAST, runs DESC, name LIMIT coalesce($limit::BIGINT, 100)
