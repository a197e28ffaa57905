-- Calls that ended behind record `seq`, the latest first.
SELECT seq, call, run, parent, kind, name, model, tenant, customer, "user", workflow, agent, status, action, rule,
  because, left(error, 300) AS error, cause, started, ended, input, output, cost, currency, estimated, unpriced, cached
FROM calls
WHERE {only tenant, customer, workflow, agent, status} AND ($seq::BIGINT IS NULL OR seq > $seq::BIGINT)
ORDER BY seq DESC LIMIT coalesce($limit::BIGINT, 100)
