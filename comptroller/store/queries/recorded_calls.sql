-- The calls of runs that had one end in a time (or of one run), with the digests of what they said, in order.
SELECT c.seq, c.call, c.run, c.parent, c.kind, c.name, c.model, c.tenant, c.customer, c."user", c.workflow, c.agent,
  c."key", c.status, c.action, c.rule, c.because, c.policy, c.place, c.started, c.ended, c.stream, c.input, c.output,
  c.cost, c.worst, c.currency, c.attempt, c.tool_call, t.after_call, t.after_count, t.request, t.reply
FROM calls AS c LEFT JOIN texts AS t ON t.seq = c.seq
WHERE CASE WHEN $run::VARCHAR IS NOT NULL THEN c.run = $run::VARCHAR
  ELSE c.run IN (SELECT run FROM calls WHERE {between ended} ORDER BY seq DESC LIMIT coalesce($limit::BIGINT, 100000)) END
ORDER BY c.run, c.started, c.seq
