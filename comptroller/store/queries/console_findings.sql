-- What rules, guards, caps and orders found in a period, one row for each that spoke: how often, where, and what came
-- of it; `kinds` are what guards found, with how often. Whatever version of the policies it was said under.
WITH said AS (
  SELECT * FROM decisions
  WHERE {only tenant, customer, workflow, agent, policy, rule, action} AND NOT again AND {between happened}
    AND ($shadow::BOOLEAN IS NULL OR shadow = $shadow::BOOLEAN)
), kinds AS (
  SELECT rule, policy, list(struct_pack(kind := kind, found := found, calls := calls) ORDER BY found DESC, kind) AS kinds
  FROM (SELECT rule, policy, regexp_replace(f, ' x\d+$', '') AS kind, count(*) AS calls,
      sum(coalesce(TRY_CAST(regexp_extract(f, ' x(\d+)$', 1) AS BIGINT), 1))::BIGINT AS found
    FROM (SELECT rule, policy, unnest(string_split(findings, ', ')) AS f FROM said WHERE findings <> '') GROUP BY ALL)
  GROUP BY rule, policy
), days AS (
  SELECT rule, policy, list(struct_pack(day := day, decisions := n) ORDER BY day) AS days
  FROM (SELECT rule, policy, CAST(happened AS DATE) AS day, count(*) AS n FROM said GROUP BY ALL) GROUP BY rule, policy
)
SELECT s.rule, s.policy, count(*) AS decisions, count(*) FILTER (shadow) AS shadows, count(*) FILTER (error) AS errors,
  count(DISTINCT run) AS runs, arg_max(run, seq) AS last_run, arg_max(call, seq) AS last_call,
  arg_max(because, seq) AS because, max(happened) AS latest,
  list_sort(list_distinct(list(action))) AS actions,
  list_sort(list_distinct(list(agent) FILTER (agent <> ''))) AS agents,
  list_sort(list_distinct(list(workflow) FILTER (workflow <> ''))) AS workflows,
  any_value(k.kinds) AS kinds, any_value(d.days) AS days
FROM said AS s LEFT JOIN kinds AS k ON k.rule = s.rule AND k.policy = s.policy
LEFT JOIN days AS d ON d.rule = s.rule AND d.policy = s.policy
GROUP BY s.rule, s.policy ORDER BY decisions DESC, s.rule, s.policy LIMIT coalesce($limit::BIGINT, 500)
