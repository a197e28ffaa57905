-- A run's agents and calls in the order they began, in the few columns a waterfall draws: for runs of any length.
SELECT * FROM (
  SELECT 'agent' AS row, span AS id, parent, 'agent' AS kind, agent AS name, agent, status, action, '' AS error, started,
    ended, 0 AS input, 0 AS output, 0::DECIMAL(38,9) AS cost, '' AS currency, seq
  FROM agents WHERE run = $run::VARCHAR AND {only tenant, customer} AND {between started}
  UNION ALL
  SELECT 'call', call, parent, kind, coalesce(nullif(model, ''), name), agent, status, action, left(error, 200), started,
    ended, input, output, cost, currency, seq
  FROM calls WHERE run = $run::VARCHAR AND {only tenant, customer}
    AND {between started} AND ($since::VARCHAR IS NULL OR ended >= $since::VARCHAR::TIMESTAMPTZ)
  UNION ALL
  SELECT 'open', call, parent, kind, name, agent, 'open', '', '', started, NULL, 0, 0, 0, currency, seq
  FROM open_calls WHERE run = $run::VARCHAR AND {only tenant, customer}
) ORDER BY started, seq LIMIT $limit::BIGINT OFFSET coalesce($offset::BIGINT, 0)
