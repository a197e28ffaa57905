-- What the policies said in one run, shadows included.
SELECT happened, call, agent, kind, name, stage, action, rule, policy, because, place, tool, findings, shadow, error, version
FROM decisions WHERE run = $run::VARCHAR ORDER BY seq
