-- What policies said, shadows included, the latest first. `seq` of the last row is where the next page begins.
SELECT seq, happened, tenant, customer, workflow, agent, run, call, kind, name, stage, action, rule, policy, because,
  place, tool, findings, shadow, error, version
FROM decisions
WHERE {only tenant, customer, workflow, agent, policy, rule, action, stage, run}
  AND ($shadow::BOOLEAN IS NULL OR shadow = $shadow::BOOLEAN)
  AND NOT again AND {between happened}
  AND ($search::VARCHAR IS NULL
    OR contains(lower(concat_ws(' ', rule, because, name, customer, findings, run)), lower($search::VARCHAR)))
  AND ($seq::BIGINT IS NULL OR seq < $seq::BIGINT)
ORDER BY seq DESC LIMIT coalesce($limit::BIGINT, 50) OFFSET coalesce($offset::BIGINT, 0)
