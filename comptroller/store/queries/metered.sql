-- What everybody used between two instants (ns since 1970, the second not included), by meter, exactly: amended
-- events as they were amended, cancelled ones not at all. `$upto` is the last record to heed, if not all.
WITH counted AS (
  SELECT * FROM usage_events
  WHERE kind = 0 AND seq <= coalesce($upto, seq)
    AND happened >= make_timestamptz(CAST($since AS BIGINT) // 1000)
    AND happened < make_timestamptz(CAST($until AS BIGINT) // 1000)
), amended AS (
  SELECT target, arg_max(quantity, (seq, line)) AS quantity FROM usage_amends
  WHERE seq <= coalesce($upto, seq) GROUP BY target
), parts AS (
  SELECT tenant, customer, meter, sum(quantity) AS quantity, count(*) AS events FROM counted GROUP BY ALL
  UNION ALL
  SELECT c.tenant, c.customer, c.meter, sum(a.quantity - c.quantity), 0
  FROM counted AS c JOIN amended AS a ON a.target = c."key" GROUP BY ALL
)
SELECT tenant, customer, meter, sum(quantity) AS quantity, CAST(sum(events) AS BIGINT) AS events
FROM parts GROUP BY tenant, customer, meter ORDER BY tenant, customer, meter
