-- What each agent did: calls, how they went, what they cost; `runs` it had a part in, by the time they began.
WITH parts AS (
  SELECT agent, currency, kind, workflow, model, sum(calls) AS calls, sum(failed) AS failed, sum(refused) AS refused,
    sum(cached) AS cached, sum(input) AS input, sum(output) AS output, sum(took_us) AS took_us, sum(cost) AS cost,
    max(day) AS latest
  FROM costs_daily
  WHERE agent <> '' AND {only tenant, customer, workflow} AND {days day}
  GROUP BY ALL
), costs AS (
  SELECT agent, currency, sum(calls) AS calls, sum(failed) AS failed, sum(refused) AS refused, sum(cached) AS cached,
    sum(calls) FILTER (kind = 'model') AS model_calls, sum(calls) FILTER (kind = 'tool') AS tool_calls,
    sum(input) AS input, sum(output) AS output, sum(took_us) AS took_us, sum(cost) AS cost,
    list(DISTINCT workflow) AS workflows, list(DISTINCT model) FILTER (model <> '') AS models, max(latest) AS latest
  FROM parts GROUP BY agent, currency
), calls AS (
  SELECT agent, sum(calls)::BIGINT AS calls, sum(failed)::BIGINT AS failed, sum(refused)::BIGINT AS refused,
    sum(cached)::BIGINT AS cached, coalesce(sum(model_calls), 0)::BIGINT AS model_calls,
    coalesce(sum(tool_calls), 0)::BIGINT AS tool_calls, sum(input)::BIGINT AS input, sum(output)::BIGINT AS output,
    (sum(took_us) / nullif(sum(calls), 0) / 1000)::BIGINT AS took_ms, {costs} AS costs, max(cost) AS most,
    list_sort(list_distinct(flatten(list(workflows)))) AS workflows,
    list_sort(list_distinct(flatten(list(models)))) AS models, max(latest) AS latest
  FROM costs GROUP BY agent
), seats AS (
  SELECT agent, sum(runs)::BIGINT AS runs, sum(failed)::BIGINT AS failed_runs
  FROM (SELECT unnest(string_split(agents, chr(10))) AS agent, runs, failed FROM (
    SELECT agents, count(*) AS runs, count(*) FILTER (status NOT IN ('ok', 'open')) AS failed FROM runs
    WHERE {only tenant, customer, workflow} AND {between started} GROUP BY agents))
  WHERE agent <> '' GROUP BY agent
), opened AS (
  SELECT agent, sum(opened)::BIGINT AS opened, sum(failed)::BIGINT AS failed FROM delegations_daily
  WHERE {only tenant, customer, workflow} AND {days day}
  GROUP BY agent
)
SELECT agent, coalesce(s.runs, 0) AS runs, coalesce(s.failed_runs, 0) AS runs_failed, coalesce(o.opened, 0) AS opened,
  coalesce(o.failed, 0) AS opened_failed, coalesce(c.calls, 0) AS calls, coalesce(c.failed, 0) AS failed,
  coalesce(c.refused, 0) AS refused, coalesce(c.cached, 0) AS cached, coalesce(c.model_calls, 0) AS model_calls,
  coalesce(c.tool_calls, 0) AS tool_calls, coalesce(c.input, 0) AS input, coalesce(c.output, 0) AS output, c.took_ms,
  c.costs, c.workflows, c.models, c.latest
FROM calls AS c FULL JOIN seats AS s USING (agent) FULL JOIN opened AS o USING (agent)
ORDER BY c.most DESC NULLS LAST, calls DESC, agent LIMIT coalesce($limit::BIGINT, 200)
