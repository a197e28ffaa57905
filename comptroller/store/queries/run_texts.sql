-- Digests of what the calls of one run said; the vault has the texts.
SELECT call, after_call, after_count, request, reply, args FROM texts WHERE run = $run::VARCHAR ORDER BY seq
