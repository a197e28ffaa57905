-- What the runs of a tenant cost by month (UTC) of their start: each run that claimed an outcome by itself, the others
-- in one row for each customer and workflow.
WITH mine AS (
  SELECT run, customer, workflow, currency, cost, strftime(make_timestamp(epoch_us(started)), '%Y-%m') AS month
  FROM runs WHERE ($tenant::VARCHAR IS NULL OR tenant = $tenant::VARCHAR) AND ($customer::VARCHAR IS NULL OR customer = $customer::VARCHAR)
    AND ($workflow::VARCHAR IS NULL OR workflow = $workflow::VARCHAR)
    AND started >= make_timestamptz(coalesce($since::BIGINT, 0) // 1000)
    AND ($until::BIGINT IS NULL OR started < make_timestamptz($until::BIGINT // 1000))),
spent AS (
  SELECT * FROM mine
  UNION ALL
  SELECT m.run, m.customer, m.workflow, o.currency, o.cost, m.month FROM other_costs AS o JOIN mine AS m ON m.run = o.run),
claimed AS (SELECT DISTINCT run FROM claims WHERE $tenant::VARCHAR IS NULL OR tenant = $tenant::VARCHAR)
SELECT coalesce(c.run, '') AS run, s.customer, s.workflow, s.month, s.currency, count(*) AS runs, sum(s.cost) AS cost
FROM spent AS s LEFT JOIN claimed AS c ON c.run = s.run
GROUP BY ALL ORDER BY ALL
