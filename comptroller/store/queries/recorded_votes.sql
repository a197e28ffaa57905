-- What judges said of the calls of runs that had one end in a time (or of one run).
SELECT call, stage, rule, judge, vote FROM votes
WHERE CASE WHEN $run::VARCHAR IS NOT NULL THEN run = $run::VARCHAR
  ELSE run IN (SELECT run FROM calls WHERE {between ended} ORDER BY seq DESC LIMIT coalesce($limit::BIGINT, 100000)) END
ORDER BY seq
