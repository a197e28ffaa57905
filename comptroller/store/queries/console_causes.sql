-- Why calls failed, one row a cause, the most frequent first; of kind 'run' those whose own error ended them
-- although no call failed. `first_ever` is when the books first saw a cause, whatever the period; days are UTC.
WITH told AS (
  SELECT kind, name, status, cause, currency, workflow, agent, customer, day, calls, cost, first, latest, last, last_run
  FROM causes_daily
  WHERE {only tenant, customer, workflow, agent, kind, cause}
    AND ($until::VARCHAR IS NULL OR day < $until::VARCHAR::TIMESTAMPTZ)
  UNION ALL
  SELECT 'run', workflow, status, cause, currency, workflow, agent, customer, CAST(started AS DATE), 1, cost, started,
    latest, seq, run
  FROM runs
  WHERE cause <> '' AND failed = 0 AND status NOT IN ('ok', 'open')
    AND {only tenant, customer, workflow, agent}
    AND ($kind::VARCHAR IS NULL OR $kind::VARCHAR = 'run') AND {only cause}
    AND ($until::VARCHAR IS NULL OR started < $until::VARCHAR::TIMESTAMPTZ)
), marked AS (
  SELECT *, $since::VARCHAR IS NULL OR day >= $since::VARCHAR::TIMESTAMPTZ::DATE AS fits FROM told
), parts AS (
  SELECT kind, name, status, cause, currency, sum(calls) FILTER (fits) AS calls, sum(cost) FILTER (fits) AS cost,
    min(first) FILTER (fits) AS first, max(latest) FILTER (fits) AS latest, max(last) FILTER (fits) AS last,
    arg_max(last_run, last) FILTER (fits) AS last_run, min(first) AS first_ever,
    list(DISTINCT workflow) FILTER (fits) AS workflows, list(DISTINCT agent) FILTER (fits) AS agents,
    list(DISTINCT customer) FILTER (fits) AS customers
  FROM marked GROUP BY ALL
)
SELECT kind, name, status, cause, sum(calls)::BIGINT AS calls, {costs} AS costs,
  min(first) AS first, max(latest) AS latest, arg_max(last_run, last) AS last_run, min(first_ever) AS first_ever,
  min(first_ever) >= $since::VARCHAR::TIMESTAMPTZ AS is_new,
  list_sort(list_distinct(flatten(list(workflows)))) AS workflows,
  list_sort(list_distinct(flatten(list(agents)))) AS agents,
  list_sort(list_distinct(flatten(list(customers)))) AS customers
FROM parts
WHERE $search::VARCHAR IS NULL OR contains(lower(concat_ws(' ', cause, name, status)), lower($search::VARCHAR))
GROUP BY kind, name, status, cause HAVING sum(calls) > 0
ORDER BY CASE WHEN $sort::VARCHAR = 'latest' THEN epoch_us(max(latest)) WHEN $sort::VARCHAR = 'new'
  THEN epoch_us(min(first_ever)) ELSE sum(calls) END DESC, cause, kind, name, status
LIMIT coalesce($limit::BIGINT, 50) OFFSET coalesce($offset::BIGINT, 0)
