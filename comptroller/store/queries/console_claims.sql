-- Outcomes that were claimed, the latest first.
SELECT seq, claim, happened, tenant, customer, workflow, agent, run, type, subject, degree, evidence, action, rule
FROM claims
WHERE {only tenant, customer, workflow, type, run} AND {between happened}
  AND ($seq::BIGINT IS NULL OR seq < $seq::BIGINT)
ORDER BY seq DESC LIMIT coalesce($limit::BIGINT, 50) OFFSET coalesce($offset::BIGINT, 0)
