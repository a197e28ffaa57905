-- How many calls have a cost in doubt, of the runs that began in a period: summed from the runs, so it is quick.
SELECT coalesce(sum(unpriced), 0)::BIGINT AS unpriced, coalesce(sum(estimated), 0)::BIGINT AS estimated,
  coalesce(sum(opaque), 0)::BIGINT AS untold
FROM runs
WHERE {only tenant, customer, workflow} AND {between started} AND (unpriced > 0 OR estimated > 0 OR opaque > 0)
