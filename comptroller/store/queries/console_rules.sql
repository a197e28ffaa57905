-- How often each rule spoke, enforced and in shadow; days are UTC.
SELECT policy, rule, stage, action, shadow, sum(decisions)::BIGINT AS decisions, sum(errors)::BIGINT AS errors,
  max(latest) AS latest
FROM decisions_daily
WHERE {only tenant, customer, workflow, policy, rule, action}
  AND ($shadow::BOOLEAN IS NULL OR shadow = $shadow::BOOLEAN)
  AND {days day}
GROUP BY policy, rule, stage, action, shadow ORDER BY decisions DESC, policy, rule, action, shadow
LIMIT coalesce($limit::BIGINT, 500)
