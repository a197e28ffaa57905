-- Calls by the beginning of their ids.
SELECT call, run FROM calls WHERE starts_with(call, $prefix::VARCHAR) ORDER BY seq DESC LIMIT 4
