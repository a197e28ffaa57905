-- How full the books are and how fresh. `latest` is the end of the latest call; an old `oldest_open` is a
-- call that hangs.
SELECT w.segment, w.byte_offset, w.sequence, coalesce(c.calls, 0) AS calls, coalesce(c.failed, 0) AS failed,
  coalesce(c.unpriced, 0) AS unpriced, coalesce(c.overruns, 0) AS overruns, coalesce(r.runs, 0) AS runs,
  coalesce(r.abandoned, 0) AS abandoned, coalesce(d.decisions, 0) AS decisions,
  coalesce(d.errors, 0) AS decision_errors, o.open_calls, o.oldest_open, e.guard_failures, e.expired,
  (SELECT max(ended) FROM calls AS l WHERE l.ended >= (SELECT max(hour) FROM calls_hourly AS h
    WHERE {only h.tenant, h.customer}) AND {only l.tenant, l.customer}) AS latest
FROM watermark AS w,
  (SELECT sum(calls)::BIGINT AS calls, sum(failed)::BIGINT AS failed, sum(unpriced)::BIGINT AS unpriced,
    sum(overruns)::BIGINT AS overruns FROM calls_hourly WHERE {only tenant, customer}) AS c,
  (SELECT sum(runs)::BIGINT AS runs, sum(abandoned)::BIGINT AS abandoned FROM runs_hourly
    WHERE {only tenant, customer}) AS r,
  (SELECT sum(decisions)::BIGINT AS decisions, sum(errors)::BIGINT AS errors FROM decisions_daily
    WHERE {only tenant, customer}) AS d,
  (SELECT count(*) AS open_calls, min(started) AS oldest_open FROM open_calls WHERE {only tenant, customer}) AS o,
  (SELECT count(*) FILTER (kind = 'guard.failed') AS guard_failures, count(*) FILTER (kind = 'hold.expired') AS expired
    FROM events WHERE {only tenant, customer}) AS e
