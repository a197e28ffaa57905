-- Hour by hour, or by days of UTC (`bucket` 'day'): what began, what was called, what it cost. Those without
-- anything are left out.
WITH hours AS (
  SELECT date_trunc(coalesce($bucket::VARCHAR, 'hour'), hour) AS "at", * FROM calls_hourly
  WHERE {only tenant, customer, workflow} AND {hours hour}
), calls AS (
  SELECT "at", sum(calls)::BIGINT AS calls, sum(failed)::BIGINT AS failed, sum(refused)::BIGINT AS refused,
    sum(input)::BIGINT AS input, sum(output)::BIGINT AS output FROM hours GROUP BY "at"
), money AS (
  SELECT "at", {costs} AS costs
  FROM (SELECT "at", currency, sum(cost) AS cost FROM hours GROUP BY "at", currency) GROUP BY "at"
), started AS (
  SELECT date_trunc(coalesce($bucket::VARCHAR, 'hour'), hour) AS "at", sum(runs)::BIGINT AS runs, sum(ok)::BIGINT AS ok,
    sum(failed)::BIGINT AS failed, sum(abandoned)::BIGINT AS abandoned
  FROM runs_hourly
  WHERE {only tenant, customer, workflow} AND {hours hour}
  GROUP BY "at"
)
SELECT "at", coalesce(r.runs, 0) AS runs, coalesce(r.ok, 0) AS runs_ok, coalesce(r.failed, 0) AS runs_failed,
  coalesce(r.abandoned, 0) AS runs_abandoned, coalesce(r.runs - r.ok - r.failed - r.abandoned, 0) AS runs_open,
  coalesce(c.calls, 0) AS calls, coalesce(c.failed, 0) AS failed, coalesce(c.refused, 0) AS refused,
  coalesce(c.input, 0) AS input, coalesce(c.output, 0) AS output, m.costs
FROM started AS r FULL JOIN calls AS c USING ("at") LEFT JOIN money AS m USING ("at") ORDER BY "at"
