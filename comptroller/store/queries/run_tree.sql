-- Agents and calls of one run in the order in which they began. `id` is what their children name as parent.
-- `since` and `until`, where the run's own time is known, spare looking through the rest.
SELECT 'agent' AS row, span AS id, parent, 'agent' AS kind, agent AS name, '' AS model, agent, status, action, rule,
  because, '' AS place, '' AS error, started, ended, 0 AS input, 0 AS output, 0::DECIMAL(38,9) AS cost,
  '' AS currency, false AS estimated, false AS unpriced, false AS opaque, '' AS policy, '' AS price, '' AS tool_call,
  '' AS effect, 1 AS attempt, NULL AS upstream_status, '' AS upstream_id, seq
FROM agents WHERE run = $run::VARCHAR AND {only tenant, customer} AND {between started}
UNION ALL
SELECT 'call', call, parent, kind, name, model, agent, status, action, rule, because, place, error, started, ended, input,
  output, cost, currency, estimated, unpriced, opaque, policy, price, tool_call, effect, attempt, upstream_status,
  upstream_id, seq
FROM calls WHERE run = $run::VARCHAR AND {only tenant, customer}
  AND {between started} AND ($since::VARCHAR IS NULL OR ended >= $since::VARCHAR::TIMESTAMPTZ)
UNION ALL
SELECT 'open', call, parent, kind, name, '', agent, 'open', '', '', '', '', '', started, NULL, 0, 0, 0, currency, false,
  false, false, policy, price, '', '', 1, NULL, '', seq
FROM open_calls WHERE run = $run::VARCHAR AND {only tenant, customer}
ORDER BY started, seq
