-- Why calls failed, one row a cause, the most frequent first; of kind 'run' those whose own error ended them
-- although no call failed. `first_ever` is when the books first saw a cause, whatever the period; days are UTC.
WITH told AS (
  SELECT kind, name, status, cause, currency, workflow, agent, customer, sum(calls) AS calls, sum(cost) AS cost,
    min(first) AS first, max(latest) AS latest, max(last) AS last, arg_max(last_run, last) AS last_run
  FROM causes_daily
  WHERE {only tenant, customer, workflow, agent, kind, cause} AND {days day}
  GROUP BY ALL
  UNION ALL
  SELECT 'run', workflow, status, cause, currency, workflow, agent, customer, count(*), sum(cost), min(started),
    max(coalesce(latest, ended, started)), max(seq), arg_max(run, seq)
  FROM runs
  WHERE cause <> '' AND failed = 0 AND status NOT IN ('ok', 'open')
    AND {only tenant, customer, workflow, agent, cause} AND ($kind::VARCHAR IS NULL OR $kind::VARCHAR = 'run')
    AND ($since::VARCHAR IS NULL OR started >= $since::VARCHAR::TIMESTAMPTZ::DATE)
    AND ($until::VARCHAR IS NULL OR started < $until::VARCHAR::TIMESTAMPTZ)
  GROUP BY ALL
), parts AS (
  SELECT kind, name, status, cause, currency, sum(calls) AS calls, sum(cost) AS cost, min(first) AS first,
    max(latest) AS latest, max(last) AS last, arg_max(last_run, last) AS last_run, list(DISTINCT workflow) AS workflows,
    list(DISTINCT agent) AS agents, list(DISTINCT customer) AS customers
  FROM told
  WHERE $search::VARCHAR IS NULL OR contains(lower(concat_ws(' ', cause, name, status)), lower($search::VARCHAR))
  GROUP BY ALL
), page AS (
  SELECT kind, name, status, cause, sum(calls)::BIGINT AS calls, {costs} AS costs, min(first) AS first,
    max(latest) AS latest, arg_max(last_run, last) AS last_run,
    list_sort(list_distinct(flatten(list(workflows)))) AS workflows,
    list_sort(list_distinct(flatten(list(agents)))) AS agents,
    list_sort(list_distinct(flatten(list(customers)))) AS customers
  FROM parts GROUP BY kind, name, status, cause
), before AS (
  SELECT kind, name, status, cause, min(first) AS first FROM causes_daily
  WHERE {only tenant, customer, workflow, agent, kind, cause} AND day < $since::VARCHAR::TIMESTAMPTZ::DATE
  GROUP BY ALL
  UNION ALL
  SELECT 'run', workflow, status, cause, min(started) FROM runs
  WHERE cause <> '' AND failed = 0 AND status NOT IN ('ok', 'open')
    AND {only tenant, customer, workflow, agent, cause} AND started < $since::VARCHAR::TIMESTAMPTZ::DATE
  GROUP BY ALL
)
SELECT p.kind, p.name, p.status, p.cause, calls, costs, p.first, latest, last_run,
  least(b.first, p.first) AS first_ever, least(b.first, p.first) >= $since::VARCHAR::TIMESTAMPTZ AS is_new, workflows, agents, customers
FROM page AS p
LEFT JOIN before AS b ON b.kind = p.kind AND b.name = p.name AND b.status = p.status AND b.cause = p.cause
ORDER BY CASE WHEN $sort::VARCHAR = 'latest' THEN epoch_us(latest) WHEN $sort::VARCHAR = 'new' THEN epoch_us(first_ever)
  ELSE calls END DESC, p.cause, p.kind, p.name, p.status
LIMIT coalesce($limit::BIGINT, 50) OFFSET coalesce($offset::BIGINT, 0)
