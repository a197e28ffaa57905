-- How often a rule (or each action, where none is named) was decided on each day.
SELECT day, action, shadow, sum(decisions)::BIGINT AS decisions, sum(errors)::BIGINT AS errors FROM decisions_daily
WHERE {only tenant, customer, workflow, policy, rule} AND {days day}
GROUP BY day, action, shadow ORDER BY day, action, shadow
