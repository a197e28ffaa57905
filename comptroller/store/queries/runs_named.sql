-- Runs whose id begins with a prefix; a few are enough to say that a prefix is not unique.
SELECT run, workflow, customer, started FROM runs
WHERE starts_with(run, $prefix::VARCHAR) ORDER BY started DESC, seq DESC LIMIT coalesce($limit::BIGINT, 5)
