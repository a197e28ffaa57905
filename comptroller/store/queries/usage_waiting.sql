-- Rows of usage that do not count as they are, the newest batch first; for a conflict also what was told first.
SELECT b.batch, b.name, w.seq, w.line, w.reason, w.tenant, w.source, w.event, w.customer, w.meter, w.quantity,
  w.happened, w.kind, w.amends, f.name AS first_name, w.first_line, e.quantity AS first_quantity
FROM usage_waiting AS w JOIN usage_batches AS b ON b.seq = w.seq
LEFT JOIN usage_batches AS f ON f.seq = w.first_seq
LEFT JOIN usage_events AS e ON e.seq = w.first_seq AND e.line = w.first_line
ORDER BY w.seq DESC, w.line LIMIT coalesce($limit, 1000000)
