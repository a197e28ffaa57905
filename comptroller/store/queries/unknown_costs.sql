-- Calls that were made and whose cost nobody knows: no price for the model, or a request that was not understood.
SELECT count(*) FILTER (unpriced) AS unpriced, count(*) FILTER (opaque AND NOT unpriced) AS opaque FROM calls
WHERE (unpriced OR opaque AND NOT estimated AND status NOT IN ('denied', 'over_budget', 'rate_limited', 'pending'))
  AND ($since::VARCHAR IS NULL OR ended >= $since::VARCHAR::TIMESTAMPTZ)
  AND ($until::VARCHAR IS NULL OR ended < $until::VARCHAR::TIMESTAMPTZ)
