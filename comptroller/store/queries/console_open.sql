-- Calls under way now, the longest first.
SELECT seq, call, run, parent, kind, name, tenant, customer, "user", workflow, agent, started, stream, worst, currency
FROM open_calls
WHERE {only tenant, customer, workflow, run, call}
ORDER BY started, seq LIMIT coalesce($limit::BIGINT, 200)
