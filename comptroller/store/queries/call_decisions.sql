-- What the policies said of one call, shadows included, and what judges did.
SELECT happened, stage, action, rule, policy, because, place, tool, findings, shadow, error, version,
  (SELECT coalesce(string_agg(o.judge || ' ' || o.vote, ', ' ORDER BY o.seq, o.judge), '') FROM votes AS o
    WHERE o.call = decisions.call AND o.stage = decisions.stage AND o.rule = decisions.rule) AS votes
FROM decisions WHERE call = $call::VARCHAR ORDER BY seq
