-- What the policies said in one run, shadows included, and what judges did.
SELECT happened, call, agent, kind, name, stage, action, rule, policy, because, place, tool, findings, shadow, error, version,
  again, (SELECT coalesce(string_agg(o.judge || ' ' || o.vote, ', ' ORDER BY o.seq, o.judge), '') FROM votes AS o
    WHERE o.run = $run::VARCHAR AND o.call = decisions.call AND o.stage = decisions.stage AND o.rule = decisions.rule) AS votes
FROM decisions
WHERE run = $run::VARCHAR AND {only tenant, customer}
  AND ($since::VARCHAR IS NULL OR happened >= $since::VARCHAR::TIMESTAMPTZ)
ORDER BY seq
