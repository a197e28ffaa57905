-- Usage that no invoice can take: no contract with a price for its meter held at its time, its time is still to come,
-- or it came after the invoice of its period and too late to be added to a later one. `$covers` says what contracts
-- price, as [tenant, customer, meter, since, until] of texts with times in ns; `$closed` the invoices that take nothing
-- any more, as [tenant, customer, since, until, at]; `$now` is the instant of asking.
WITH covers AS (
  SELECT c[1] AS tenant, c[2] AS customer, c[3] AS meter, make_timestamptz(CAST(c[4] AS BIGINT) // 1000) AS since,
    make_timestamptz(CAST(c[5] AS BIGINT) // 1000) AS until
  FROM (SELECT unnest(CAST($covers AS VARCHAR[][])) AS c)
), closed AS (
  SELECT c[1] AS tenant, c[2] AS customer, make_timestamptz(CAST(c[3] AS BIGINT) // 1000) AS since,
    make_timestamptz(CAST(c[4] AS BIGINT) // 1000) AS until, make_timestamptz(CAST(c[5] AS BIGINT) // 1000) AS billed
  FROM (SELECT unnest(CAST($closed AS VARCHAR[][])) AS c)
), judged AS (
  SELECT e.seq, e.tenant, e.customer, e.meter, e.quantity, e.happened,
    CASE WHEN e.happened > make_timestamptz(CAST($now AS BIGINT) // 1000) THEN 'future'
      WHEN NOT EXISTS (SELECT 1 FROM covers AS c WHERE c.tenant = e.tenant AND c.customer = e.customer
        AND c.meter = e.meter AND e.happened >= c.since AND e.happened < c.until) THEN 'no_price'
      WHEN EXISTS (SELECT 1 FROM closed AS d WHERE d.tenant = e.tenant AND d.customer = e.customer
        AND e.happened >= d.since AND e.happened < d.until AND b.received > d.billed) THEN 'too_late' END AS reason
  FROM usage_events AS e JOIN usage_batches AS b ON b.seq = e.seq WHERE e.kind = 0
)
SELECT tenant, customer, meter, reason, count(*) AS events, sum(quantity) AS quantity, min(happened) AS first,
  max(happened) AS last FROM judged WHERE reason IS NOT NULL
GROUP BY tenant, customer, meter, reason, date_trunc('month', happened)
ORDER BY tenant, customer, meter, first
