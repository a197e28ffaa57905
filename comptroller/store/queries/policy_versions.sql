-- The policy versions a ledger has been governed by, newest first, each with the time it was first in force.
SELECT version, min(happened) AS since, any_value(rules) AS rules, count(*) AS files,
  list(path ORDER BY path) AS paths
FROM policies WHERE $prefix::VARCHAR IS NULL OR starts_with(version, $prefix::VARCHAR)
GROUP BY version ORDER BY min(seq) DESC LIMIT coalesce($limit::BIGINT, 50)
