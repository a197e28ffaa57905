-- How many runs a list would have without its limit.
SELECT count(*) AS runs FROM runs
WHERE ($workflow::VARCHAR IS NULL OR workflow = $workflow::VARCHAR)
  AND ($customer::VARCHAR IS NULL OR customer = $customer::VARCHAR)
  AND ($status::VARCHAR IS NULL OR $status::VARCHAR =
    CASE WHEN status = 'open' AND (lost > last OR $deserted::BOOLEAN) THEN 'abandoned' ELSE status END)
  AND ($since::VARCHAR IS NULL OR started >= $since::VARCHAR::TIMESTAMPTZ)
