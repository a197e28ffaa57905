-- Who has called lately: the identities that budgets are counted by, the latest first.
SELECT tenant, customer, "user", workflow, agent, "key", max(ended) AS latest FROM calls
WHERE ($tenant::VARCHAR IS NULL OR tenant = $tenant::VARCHAR)
  AND ($customer::VARCHAR IS NULL OR customer = $customer::VARCHAR)
  AND ($user::VARCHAR IS NULL OR "user" = $user::VARCHAR)
  AND ($workflow::VARCHAR IS NULL OR workflow = $workflow::VARCHAR)
  AND ($since::VARCHAR IS NULL OR ended >= $since::VARCHAR::TIMESTAMPTZ)
GROUP BY ALL ORDER BY latest DESC LIMIT coalesce($limit::BIGINT, 1000)
