-- Digests of what the calls of one run said; the vault has the texts.
SELECT call, after_call, after_count, request, reply, args FROM texts
WHERE run = $run::VARCHAR AND {between started}
  AND call IN (SELECT call FROM calls WHERE run = $run::VARCHAR AND {only tenant, customer}
    AND ($since::VARCHAR IS NULL OR ended >= $since::VARCHAR::TIMESTAMPTZ))
ORDER BY seq
