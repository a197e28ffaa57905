-- How many decisions the pages of `console_decisions` have, by action.
SELECT action, shadow, count(*) AS decisions FROM decisions
WHERE {only tenant, customer, workflow, agent, policy, rule, action, stage, run}
  AND ($shadow::BOOLEAN IS NULL OR shadow = $shadow::BOOLEAN)
  AND NOT again AND {between happened}
  AND ($search::VARCHAR IS NULL
    OR contains(lower(concat_ws(' ', rule, because, name, customer, findings, run)), lower($search::VARCHAR)))
GROUP BY action, shadow ORDER BY decisions DESC, action, shadow
