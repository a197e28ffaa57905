-- How often each cause struck on each day; of one cause where it is named.
SELECT day, kind, name, status, cause, sum(calls)::BIGINT AS calls, {costs} AS costs
FROM (
  SELECT day, kind, name, status, cause, currency, sum(calls) AS calls, sum(cost) AS cost FROM causes_daily
  WHERE {only tenant, customer, workflow, agent, kind, name, status, cause} AND {days day}
  GROUP BY ALL
  UNION ALL
  SELECT CAST(started AS DATE), 'run', workflow, status, cause, currency, count(*), sum(cost) FROM runs
  WHERE cause <> '' AND failed = 0 AND status NOT IN ('ok', 'open')
    AND {only tenant, customer, workflow, agent}
    AND ($kind::VARCHAR IS NULL OR $kind::VARCHAR = 'run') AND ($name::VARCHAR IS NULL OR workflow = $name::VARCHAR)
    AND {only status, cause} AND {between started}
  GROUP BY ALL
)
GROUP BY day, kind, name, status, cause ORDER BY day, calls DESC, cause, kind, name, status
LIMIT coalesce($limit::BIGINT, 5000)
