-- What each table of the books adds up to, by currency, at one record of the journal: they must all say the same.
SELECT w.sequence, s.source, s.currency, s.calls, s.cost
FROM watermark AS w LEFT JOIN (
  SELECT 'calls' AS source, currency, count(*) AS calls, sum(cost) AS cost FROM calls GROUP BY currency
  UNION ALL
  SELECT 'days', currency, CAST(sum(calls) AS BIGINT), sum(cost) FROM costs_daily GROUP BY currency
  UNION ALL
  SELECT 'calls of runs', currency, count(*), sum(cost) FROM calls WHERE run <> '' GROUP BY currency
  UNION ALL
  SELECT 'runs', currency, CAST(sum(calls) AS BIGINT), sum(cost)
  FROM (SELECT currency, calls, cost FROM runs UNION ALL SELECT currency, 0, cost FROM other_costs) GROUP BY currency
  UNION ALL
  SELECT 'hours', currency, CAST(sum(calls) AS BIGINT), sum(cost) FROM calls_hourly GROUP BY currency
  UNION ALL
  SELECT 'causes', currency, CAST(sum(calls) AS BIGINT), sum(cost) FROM causes_daily GROUP BY currency
  UNION ALL
  SELECT 'failed calls', currency, count(*), sum(cost) FROM calls
  WHERE status IN ('error', 'cut', 'cancelled', 'expired') AND seq NOT IN (SELECT seq FROM passed_on) GROUP BY currency
  UNION ALL
  SELECT 'rules', '', CAST(sum(decisions) AS BIGINT), 0 FROM decisions_daily HAVING count(*) > 0
  UNION ALL
  SELECT 'decisions', '', count(*), 0 FROM decisions WHERE NOT again HAVING count(*) > 0
  UNION ALL
  SELECT 'hours of runs', '', CAST(sum(runs) AS BIGINT), 0 FROM runs_hourly HAVING count(*) > 0
  UNION ALL
  SELECT 'all runs', '', count(*), 0 FROM runs HAVING count(*) > 0
) AS s ON true ORDER BY s.source, s.currency
