-- What runs cost by currency: those named, or all of a customer's. Sums never mix.
WITH wanted AS (
  SELECT run, currency, cost FROM runs
  WHERE ($tenant::VARCHAR IS NULL OR tenant = $tenant::VARCHAR) AND ($customer::VARCHAR IS NULL OR customer = $customer::VARCHAR)
    AND ($runs::VARCHAR[] IS NULL OR run IN (SELECT unnest($runs::VARCHAR[]))))
SELECT run, currency, cost FROM wanted WHERE cost > 0
UNION ALL
SELECT o.run, o.currency, o.cost FROM other_costs AS o JOIN wanted AS w ON w.run = o.run WHERE o.cost > 0
ORDER BY ALL
