-- A page of one tenant's ended calls, in an order of one's choice. `rank` and `seq` of the last row are where the next
-- begins.
SELECT * FROM (
  SELECT *, CASE WHEN $rising::BOOLEAN THEN -1 ELSE 1 END * CASE $sort::VARCHAR
      WHEN 'cost' THEN CAST(cost * 1000000000 AS HUGEINT) WHEN 'output' THEN CAST(output AS HUGEINT)
      WHEN 'took' THEN CAST(epoch_us(ended) - epoch_us(started) AS HUGEINT)
      ELSE CAST(epoch_us(started) AS HUGEINT) END AS rank
  FROM calls
  WHERE ($tenant::VARCHAR IS NULL OR tenant = $tenant::VARCHAR)
    AND ($customer::VARCHAR IS NULL OR customer = $customer::VARCHAR)
    AND ($user::VARCHAR IS NULL OR "user" = $user::VARCHAR)
    AND ($workflow::VARCHAR IS NULL OR workflow = $workflow::VARCHAR)
    AND ($agent::VARCHAR IS NULL OR agent = $agent::VARCHAR)
    AND ($run::VARCHAR IS NULL OR run = $run::VARCHAR)
    AND ($kind::VARCHAR IS NULL OR kind = $kind::VARCHAR)
    AND ($model::VARCHAR IS NULL OR model = $model::VARCHAR)
    AND ($status::VARCHAR IS NULL OR status = $status::VARCHAR)
    AND ($rule::VARCHAR IS NULL OR rule = $rule::VARCHAR)
    AND ($since::VARCHAR IS NULL OR started >= $since::VARCHAR::TIMESTAMPTZ)
    AND ($until::VARCHAR IS NULL OR started < $until::VARCHAR::TIMESTAMPTZ))
WHERE $rank::HUGEINT IS NULL OR rank < $rank::HUGEINT OR (rank = $rank::HUGEINT AND seq < $seq::BIGINT)
ORDER BY rank DESC, seq DESC LIMIT coalesce($limit::BIGINT, 50)
