-- How many runs the pages of `console_runs` have in all.
SELECT count(*) AS runs FROM runs
WHERE {only tenant, customer, workflow, user, currency}
    AND ($agent::VARCHAR IS NULL OR contains(chr(10) || agents || chr(10), chr(10) || $agent::VARCHAR || chr(10)))
    AND ($model::VARCHAR IS NULL OR contains(chr(10) || models || chr(10), chr(10) || $model::VARCHAR || chr(10)))
    AND ($cost_from::VARCHAR IS NULL OR cost >= $cost_from::VARCHAR::DECIMAL(38,9))
    AND ($cost_to::VARCHAR IS NULL OR cost <= $cost_to::VARCHAR::DECIMAL(38,9))
    AND {between started}
    AND ($status::VARCHAR IS NULL OR $status::VARCHAR = {status})
    AND ($search::VARCHAR IS NULL OR starts_with(run, $search::VARCHAR)
      OR contains(lower(concat_ws(' ', run, customer, workflow, error, first_error, refusal)), lower($search::VARCHAR)))
    AND ($cause::VARCHAR IS NULL
      OR ($cause_kind::VARCHAR IS NULL AND cause <> '' AND cause = $cause::VARCHAR)
      OR ($cause_kind::VARCHAR = 'run' AND cause = $cause::VARCHAR AND failed = 0 AND status NOT IN ('ok', 'open')
        AND ($cause_name::VARCHAR IS NULL OR workflow = $cause_name::VARCHAR))
      OR (coalesce($cause_kind::VARCHAR, '') <> 'run' AND run IN (SELECT c.run FROM calls AS c
        WHERE c.cause = $cause::VARCHAR AND c.status IN ('error', 'cut', 'cancelled', 'expired')
          AND ($cause_kind::VARCHAR IS NULL OR c.kind = $cause_kind::VARCHAR)
          AND ($cause_name::VARCHAR IS NULL OR c.name = $cause_name::VARCHAR)
          AND ($cause_status::VARCHAR IS NULL OR c.status = $cause_status::VARCHAR)
          AND ($since::VARCHAR IS NULL OR c.ended >= $since::VARCHAR::TIMESTAMPTZ))))
