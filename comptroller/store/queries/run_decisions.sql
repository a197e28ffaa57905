-- What the policies said in one run, shadows included.
SELECT happened, call, agent, kind, name, stage, action, rule, policy, because, place, tool, findings, shadow, error, version, again
FROM decisions
WHERE run = $run::VARCHAR AND {only tenant, customer}
  AND ($since::VARCHAR IS NULL OR happened >= $since::VARCHAR::TIMESTAMPTZ)
ORDER BY seq
