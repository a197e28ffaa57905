-- Who calls whom: agents (caller '' is none) and what they called, other agents they opened as kind 'agent'.
-- Those agents' own calls are their own edges, so an opened agent costs nothing here.
WITH edges AS (
  SELECT agent AS caller, kind, name AS callee, currency, sum(calls) AS calls, sum(failed) AS failed,
    sum(refused) AS refused, sum(took_us) AS took_us, sum(cost) AS cost
  FROM costs_daily
  WHERE {only tenant, customer, workflow, agent} AND {days day}
  GROUP BY ALL
  UNION ALL
  SELECT caller, 'agent', agent, '', sum(opened), sum(failed), 0, NULL, 0 FROM delegations_daily
  WHERE {only tenant, customer, workflow}
    AND ($agent::VARCHAR IS NULL OR $agent::VARCHAR IN (caller, agent))
    AND {days day}
  GROUP BY ALL
)
SELECT caller, kind, callee, sum(calls)::BIGINT AS calls, sum(failed)::BIGINT AS failed,
  sum(refused)::BIGINT AS refused, (sum(took_us) / nullif(sum(calls), 0) / 1000)::BIGINT AS took_ms, {costs} AS costs
FROM edges GROUP BY caller, kind, callee ORDER BY calls DESC, caller, kind, callee LIMIT coalesce($limit::BIGINT, 500)
