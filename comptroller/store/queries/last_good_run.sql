-- The run to hold a bad one against: ended well before that began, in the same tenant and workflow. First such of the
-- same customer, then those without a failed or refused call, that began with the same message, with the same agents.
WITH bad AS (
  SELECT run, tenant, customer, workflow, started FROM runs
  WHERE run = $run::VARCHAR AND ($tenant::VARCHAR IS NULL OR tenant = $tenant::VARCHAR)
    AND ($customer::VARCHAR IS NULL OR customer = $customer::VARCHAR)
), near AS (
  SELECT r.run, r.customer = b.customer AS same, r.failed + r.refused = 0 AS clean, r.started, r.ended, r.seq
  FROM runs AS r JOIN bad AS b ON r.tenant = b.tenant AND r.workflow = b.workflow
  WHERE r.status = 'ok' AND r.calls > 0 AND r.run <> b.run AND r.ended <= b.started
    AND ($customer::VARCHAR IS NULL OR r.customer = $customer::VARCHAR)
  ORDER BY same DESC, clean DESC, r.ended DESC, r.seq DESC LIMIT 50
), compared AS (
  SELECT run FROM near UNION ALL SELECT run FROM bad
), openings AS (
  SELECT run, arg_min(request[1], seq) AS message FROM texts
  WHERE run IN (SELECT run FROM compared) AND len(request) > 0 GROUP BY run
), crews AS (
  SELECT run, list_sort(list(DISTINCT agent)) AS agents FROM (
    SELECT run, agent FROM calls WHERE run IN (SELECT run FROM compared) AND agent <> ''
    UNION ALL SELECT run, agent FROM agents WHERE run IN (SELECT run FROM compared)
  ) GROUP BY run
)
SELECT n.run, n.same AS same_customer,
  coalesce(o.message = (SELECT message FROM openings WHERE run = $run::VARCHAR), false) AS same_opening,
  coalesce(c.agents, []) = coalesce((SELECT agents FROM crews WHERE run = $run::VARCHAR), []) AS same_agents,
  n.started, n.ended
FROM near AS n LEFT JOIN openings AS o ON o.run = n.run LEFT JOIN crews AS c ON c.run = n.run
ORDER BY same_customer DESC, n.clean DESC, same_opening DESC, same_agents DESC, n.ended DESC, n.seq DESC LIMIT 1
