-- What a run did, as rules about outcomes ask for it: how it went, what it cost, which tools were used in it.
SELECT run, tenant, customer, "user", workflow, status, calls, failed, cost, currency, started, ended,
  (SELECT coalesce(list(DISTINCT c.name ORDER BY c.name), []) FROM calls AS c
    WHERE c.run = r.run AND c.kind = 'tool' AND c.name <> ''
      AND c.status NOT IN ('denied', 'over_budget', 'rate_limited', 'pending')) AS tools,
  (SELECT coalesce(list(DISTINCT a.agent ORDER BY a.agent), []) FROM agents AS a WHERE a.run = r.run) AS agents
FROM runs AS r WHERE run = $run::VARCHAR
