-- The usage events of one customer that count, amended ones as they were amended, up to a record of the journal.
WITH amended AS (
  SELECT target, arg_max(quantity, (seq, line)) AS quantity FROM usage_amends WHERE seq <= $upto GROUP BY target
)
SELECT u.tenant, u.source, u.event, u.customer, u.meter, CAST(coalesce(a.quantity, u.quantity) AS VARCHAR) AS quantity,
  epoch_us(u.happened) * 1000 AS happened
FROM usage_events AS u LEFT JOIN amended AS a ON a.target = u."key"
WHERE u.kind = 0 AND u.seq <= $upto AND u.tenant = $tenant AND u.customer = $customer
ORDER BY u.seq, u.line
