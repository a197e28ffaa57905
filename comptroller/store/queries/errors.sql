-- Failures grouped by cause: figures, ids and quoted texts are masked, so that one cause is one row.
SELECT workflow, agent, kind, name, status, {masked error} AS cause,
  count(*) AS calls, count(DISTINCT run) AS runs, sum(cost) AS cost, currency,
  min(started) AS since, max(started) AS latest, arg_max(run, seq) AS last_run
FROM calls
WHERE status NOT IN ('ok', 'denied', 'over_budget', 'rate_limited', 'pending')
  AND ($since::VARCHAR IS NULL OR started >= $since::VARCHAR::TIMESTAMPTZ)
GROUP BY ALL ORDER BY calls DESC, latest DESC LIMIT coalesce($limit::BIGINT, 50)
