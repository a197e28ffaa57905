-- Where one rule spoke in a period, by agent, workflow, customer, tool or model, and by what was decided: a row for each
-- part of each, the most frequent first. `part` says which; those in shadow stand apart.
WITH said AS (
  SELECT agent, workflow, customer, CASE WHEN tool <> '' THEN tool ELSE name END AS about, action, shadow, findings, run,
    happened
  FROM decisions
  WHERE {only tenant, customer, workflow, agent, policy, rule} AND NOT again AND {between happened}
), each AS (
  SELECT 'agent' AS part, agent AS name, shadow, run, happened FROM said
  UNION ALL SELECT 'workflow', workflow, shadow, run, happened FROM said
  UNION ALL SELECT 'customer', customer, shadow, run, happened FROM said
  UNION ALL SELECT 'about', about, shadow, run, happened FROM said
  UNION ALL SELECT 'action', action, shadow, run, happened FROM said
  UNION ALL SELECT 'kind', regexp_replace(unnest(string_split(findings, ', ')), ' x\d+$', ''), shadow, run, happened
    FROM said WHERE findings <> ''
)
SELECT part, name, shadow, count(*) AS decisions, count(DISTINCT run) AS runs, max(happened) AS latest
FROM each GROUP BY part, name, shadow ORDER BY part, decisions DESC, name, shadow
LIMIT coalesce($limit::BIGINT, 500)
