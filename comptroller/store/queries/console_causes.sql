-- Why calls failed, one row a cause, the most frequent first; of kind 'run' those whose own error ended them
-- although no call failed. `first_ever` is when the books first saw a cause, whatever the period; days are UTC.
-- `trend` is how often it struck on which day; `total` how many causes there are, of which this is a page.
WITH told AS MATERIALIZED (
  SELECT kind, name, status, cause, currency, workflow, agent, customer, day, calls, cost, first, latest, last, last_run
  FROM causes_daily
  WHERE {only tenant, customer, workflow, agent, kind, cause} AND {days day}
    AND ($search::VARCHAR IS NULL OR contains(lower(concat_ws(' ', cause, name, status)), lower($search::VARCHAR)))
  UNION ALL
  SELECT 'run', workflow, status, cause, currency, workflow, agent, customer, CAST(started AS DATE), count(*), sum(cost),
    min(started), max(coalesce(latest, ended, started)), max(seq), arg_max(run, seq)
  FROM runs
  WHERE cause <> '' AND failed = 0 AND status NOT IN ('ok', 'open')
    AND {only tenant, customer, workflow, agent, cause} AND ($kind::VARCHAR IS NULL OR $kind::VARCHAR = 'run')
    AND ($since::VARCHAR IS NULL OR started >= $since::VARCHAR::TIMESTAMPTZ::DATE)
    AND ($until::VARCHAR IS NULL OR started < $until::VARCHAR::TIMESTAMPTZ)
    AND ($search::VARCHAR IS NULL
      OR contains(lower(concat_ws(' ', cause, workflow, status)), lower($search::VARCHAR)))
  GROUP BY ALL
), parts AS (
  SELECT kind, name, status, cause, currency, sum(calls) AS calls, sum(cost) AS cost, min(first) AS first,
    max(latest) AS latest, max(last) AS last, arg_max(last_run, last) AS last_run
  FROM told GROUP BY ALL
), whole AS (
  SELECT kind, name, status, cause, sum(calls)::BIGINT AS calls, {costs} AS costs, max(cost) AS most,
    min(first) AS first, max(latest) AS latest, arg_max(last_run, last) AS last_run
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
), known AS MATERIALIZED (
  SELECT w.*, least(b.first, w.first) AS first_ever, least(b.first, w.first) >= $since::VARCHAR::TIMESTAMPTZ AS is_new
  FROM whole AS w
  LEFT JOIN before AS b ON b.kind = w.kind AND b.name = w.name AND b.status = w.status AND b.cause = w.cause
  WHERE $new::BOOLEAN IS NULL OR $new::BOOLEAN = (least(b.first, w.first) >= $since::VARCHAR::TIMESTAMPTZ)
), page AS MATERIALIZED (
  SELECT *, CASE WHEN $rising::BOOLEAN THEN -1 ELSE 1 END * CASE $sort::VARCHAR
      WHEN 'costs' THEN CAST(CAST(coalesce(most, 0) AS DOUBLE) * 1000000 AS BIGINT) WHEN 'latest' THEN epoch_us(latest)
      WHEN 'new' THEN epoch_us(first_ever) WHEN 'first_ever' THEN epoch_us(first_ever) ELSE calls END AS rank,
    CASE WHEN $rising::BOOLEAN THEN -1 ELSE 1 END * CASE
      WHEN $sort::VARCHAR IN ('costs', 'latest', 'first_ever') THEN calls ELSE epoch_us(latest) END AS second
  FROM known ORDER BY rank DESC, second DESC, cause, kind, name, status
  LIMIT coalesce($limit::BIGINT, 50) OFFSET coalesce($offset::BIGINT, 0)
), mine AS (
  SELECT t.kind, t.name, t.status, t.cause, t.workflow, t.agent, t.customer, t.day, sum(t.calls) AS calls
  FROM told AS t SEMI JOIN page AS p ON p.kind = t.kind AND p.name = t.name AND p.status = t.status AND p.cause = t.cause
  GROUP BY ALL
), names AS (
  SELECT kind, name, status, cause, list_sort(list(DISTINCT workflow)) AS workflows,
    list_sort(list(DISTINCT agent)) AS agents, list_sort(list(DISTINCT customer)) AS customers
  FROM mine GROUP BY kind, name, status, cause
), trends AS (
  SELECT kind, name, status, cause, list(struct_pack(day := day, calls := calls) ORDER BY day) AS trend FROM (
    SELECT kind, name, status, cause, day, sum(calls)::BIGINT AS calls FROM mine GROUP BY ALL)
  GROUP BY kind, name, status, cause
)
SELECT p.kind, p.name, p.status, p.cause, p.calls, p.costs, p.first, p.latest, p.last_run, p.first_ever, p.is_new,
  n.workflows, n.agents, n.customers, t.trend, (SELECT count(*) FROM known) AS total
FROM page AS p
JOIN names AS n ON n.kind = p.kind AND n.name = p.name AND n.status = p.status AND n.cause = p.cause
JOIN trends AS t ON t.kind = p.kind AND t.name = p.name AND t.status = p.status AND t.cause = p.cause
ORDER BY p.rank DESC, p.second DESC, p.cause, p.kind, p.name, p.status
