-- What the policies said of one call, shadows included.
SELECT happened, stage, action, rule, policy, because, place, tool, findings, shadow, error, version
FROM decisions WHERE call = $call::VARCHAR ORDER BY seq
