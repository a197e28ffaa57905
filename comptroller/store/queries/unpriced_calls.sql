-- A customer's calls from one instant to another (ns since 1970) whose cost nobody knows, and their models.
SELECT count(*) AS calls, coalesce(list_sort(list(DISTINCT model)), []) AS models FROM calls
WHERE ($tenant::VARCHAR IS NULL OR tenant = $tenant::VARCHAR)
  AND ($customer::VARCHAR IS NULL OR customer = $customer::VARCHAR)
  AND (unpriced OR opaque AND NOT estimated AND status NOT IN ('denied', 'over_budget', 'rate_limited', 'pending'))
  AND ended >= make_timestamptz(coalesce($since::BIGINT, 0) // 1000)
  AND ($until::BIGINT IS NULL OR ended < make_timestamptz($until::BIGINT // 1000))
