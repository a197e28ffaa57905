-- A customer's calls from one instant to another (ns since 1970) whose cost nobody knows, by model.
SELECT model, count(*) AS calls FROM calls
WHERE tenant = $tenant::VARCHAR AND customer = $customer::VARCHAR
  AND (unpriced OR opaque AND NOT estimated AND status NOT IN ('denied', 'over_budget', 'rate_limited', 'pending'))
  AND ended >= make_timestamptz($since::BIGINT // 1000) AND ended < make_timestamptz($until::BIGINT // 1000)
GROUP BY model ORDER BY calls DESC, model
