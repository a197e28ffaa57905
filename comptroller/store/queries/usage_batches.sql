-- Batches of usage in the order they were taken in.
SELECT seq, batch, received, tenant, source, name, digest, rows, state, counted, repeated, waiting
FROM usage_batches ORDER BY seq
