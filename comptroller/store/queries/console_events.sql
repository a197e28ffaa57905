-- What happened beside calls, the latest first: `kind` ask, guard.failed, hold.expired, ledger.opened or
-- agent.handed_over (`subject` is who took over).
SELECT seq, happened, kind, tenant, customer, workflow, agent, run, call, subject, text FROM events
WHERE {only tenant, customer, workflow, kind, run} AND {between happened}
  AND ($seq::BIGINT IS NULL OR seq < $seq::BIGINT)
ORDER BY seq DESC LIMIT coalesce($limit::BIGINT, 50) OFFSET coalesce($offset::BIGINT, 0)
