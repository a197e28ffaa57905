-- Agents and calls of one run in the order in which they began. `id` is what their children name as parent.
SELECT 'agent' AS row, span AS id, parent, 'agent' AS kind, agent AS name, '' AS model, agent, status, action, rule,
  because, '' AS error, started, ended, 0 AS input, 0 AS output, 0::DECIMAL(38,9) AS cost,
  '' AS currency, false AS estimated, false AS unpriced, '' AS tool_call, '' AS effect, 1 AS attempt, seq
FROM agents WHERE run = $run::VARCHAR
UNION ALL
SELECT 'call', call, parent, kind, name, model, agent, status, action, rule, because, error, started, ended, input,
  output, cost, currency, estimated, unpriced, tool_call, effect, attempt, seq
FROM calls WHERE run = $run::VARCHAR
UNION ALL
SELECT 'open', call, parent, kind, name, '', agent, 'open', '', '', '', '', started, NULL, 0, 0, 0, currency, false,
  false, '', '', 1, seq
FROM open_calls WHERE run = $run::VARCHAR
ORDER BY started, seq
