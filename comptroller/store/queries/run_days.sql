-- How many runs of each workflow began on each day, by customer: what share of them was claimed is told of these.
SELECT tenant, customer, workflow, CAST(epoch_us(date_trunc('day', started)) // 86400000000 AS BIGINT) AS day,
  count(*)::BIGINT AS runs
FROM runs WHERE workflow <> '' AND started IS NOT NULL GROUP BY ALL ORDER BY ALL
