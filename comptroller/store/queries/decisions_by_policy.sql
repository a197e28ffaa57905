-- How often each rule spoke, enforced and in shadow.
SELECT policy, rule, action, shadow, count(*) AS decisions, count(DISTINCT run) AS runs,
  count(*) FILTER (error) AS errors, max(happened) AS latest, arg_max(because, seq) AS because
FROM decisions
WHERE NOT again AND ($since::VARCHAR IS NULL OR happened >= $since::VARCHAR::TIMESTAMPTZ)
  AND ($policy::VARCHAR IS NULL OR policy = $policy::VARCHAR)
GROUP BY policy, rule, action, shadow ORDER BY decisions DESC, policy, rule LIMIT coalesce($limit::BIGINT, 100)
