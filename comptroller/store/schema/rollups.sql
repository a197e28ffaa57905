-- The sums kept as facts arrive: run by the writer in the transaction of a slice, as `ingest.sql` is.
-- `$day` and `$hour` are the earliest this slice adds to: only rows since then are looked at.

-- name: causes
UPDATE fresh SET cause = {masked error} WHERE error <> '' AND fact IN ('call.closed', 'run.closed');

-- name: causes_gone
UPDATE gone SET cause = {masked error} WHERE error <> '';

-- name: call_moves
-- What the calls of this slice add, and what those they replace take away, in the finest parts any sum needs.
CREATE OR REPLACE TEMP TABLE call_moves AS
SELECT make_timestamptz(hour * 3600000000) AS hour, CAST(make_timestamptz(hour * 3600000000) AS DATE) AS day, tenant,
  customer, workflow, agent, kind, name, model, currency, CAST(sum(sign) AS BIGINT) AS calls,
  CAST(coalesce(sum(sign) FILTER (status IN ('error', 'cut', 'cancelled', 'expired')), 0) AS BIGINT) AS failed,
  CAST(coalesce(sum(sign) FILTER (status IN ('denied', 'over_budget', 'rate_limited', 'pending')), 0) AS BIGINT) AS refused,
  CAST(coalesce(sum(sign) FILTER (action = 'redact'), 0) AS BIGINT) AS redacted,
  CAST(coalesce(sum(sign) FILTER (cached <> ''), 0) AS BIGINT) AS cached,
  CAST(coalesce(sum(sign) FILTER (unpriced), 0) AS BIGINT) AS unpriced,
  CAST(coalesce(sum(sign) FILTER (overrun > 0), 0) AS BIGINT) AS overruns,
  CAST(sum(sign * input) AS BIGINT) AS input, CAST(sum(sign * output) AS BIGINT) AS output,
  CAST(sum(sign * cache_read) AS BIGINT) AS cache_read,
  CAST(sum(sign * (epoch_us(ended) - epoch_us(started))) AS HUGEINT) AS took_us,
  sum(CASE WHEN sign < 0 THEN -cost ELSE cost END) AS cost, sum(CASE WHEN sign < 0 THEN -saved ELSE saved END) AS saved
FROM (SELECT *, epoch_us(ended) // 3600000000 AS hour, 1 AS sign FROM new_calls
  UNION ALL BY NAME SELECT *, epoch_us(ended) // 3600000000 AS hour, -1 AS sign FROM displaced)
GROUP BY ALL;

-- name: costs_daily
MERGE INTO books.costs_daily AS t USING (
  SELECT day, tenant, customer, workflow, agent, kind, name, model, currency, CAST(sum(calls) AS BIGINT) AS calls,
    CAST(sum(failed) AS BIGINT) AS failed, CAST(sum(refused) AS BIGINT) AS refused, CAST(sum(input) AS BIGINT) AS input,
    CAST(sum(output) AS BIGINT) AS output, CAST(sum(cache_read) AS BIGINT) AS cache_read, sum(cost) AS cost,
    CAST(sum(cached) AS BIGINT) AS cached, sum(saved) AS saved, CAST(sum(took_us) AS HUGEINT) AS took_us
  FROM call_moves GROUP BY ALL
) AS m ON t.day >= CAST($day AS DATE) AND t.day = m.day AND t.tenant = m.tenant AND t.customer = m.customer
  AND t.workflow = m.workflow AND t.agent = m.agent AND t.kind = m.kind AND t.name = m.name AND t.model = m.model
  AND t.currency = m.currency
WHEN MATCHED THEN UPDATE SET calls = t.calls + m.calls, failed = t.failed + m.failed, refused = t.refused + m.refused,
  input = t.input + m.input, output = t.output + m.output, cache_read = t.cache_read + m.cache_read,
  cost = t.cost + m.cost, cached = t.cached + m.cached, saved = t.saved + m.saved, took_us = t.took_us + m.took_us
WHEN NOT MATCHED THEN INSERT VALUES (m.day, m.agent, m.model, m.customer, m.workflow, m.currency, m.calls, m.failed,
  m.input, m.output, m.cache_read, m.cost, m.cached, m.saved, m.tenant, m.kind, m.name, m.refused, m.took_us);

-- name: calls_hourly
MERGE INTO books.calls_hourly AS t USING (
  SELECT hour, tenant, customer, workflow, currency, CAST(sum(calls) AS BIGINT) AS calls,
    CAST(sum(failed) AS BIGINT) AS failed, CAST(sum(refused) AS BIGINT) AS refused,
    CAST(sum(redacted) AS BIGINT) AS redacted, CAST(sum(cached) AS BIGINT) AS cached,
    CAST(sum(unpriced) AS BIGINT) AS unpriced, CAST(sum(overruns) AS BIGINT) AS overruns,
    CAST(sum(input) AS BIGINT) AS input, CAST(sum(output) AS BIGINT) AS output, sum(cost) AS cost, sum(saved) AS saved
  FROM call_moves GROUP BY ALL
) AS m ON t.hour >= CAST($hour AS TIMESTAMPTZ) AND t.hour = m.hour AND t.tenant = m.tenant AND t.customer = m.customer
  AND t.workflow = m.workflow AND t.currency = m.currency
WHEN MATCHED THEN UPDATE SET calls = t.calls + m.calls, failed = t.failed + m.failed, refused = t.refused + m.refused,
  redacted = t.redacted + m.redacted, cached = t.cached + m.cached, unpriced = t.unpriced + m.unpriced,
  overruns = t.overruns + m.overruns, input = t.input + m.input, output = t.output + m.output, cost = t.cost + m.cost,
  saved = t.saved + m.saved
WHEN NOT MATCHED THEN INSERT VALUES (m.hour, m.tenant, m.customer, m.workflow, m.currency, m.calls, m.failed, m.refused,
  m.redacted, m.cached, m.unpriced, m.overruns, m.input, m.output, m.cost, m.saved);

-- name: empty_days
DELETE FROM books.costs_daily WHERE calls = 0;

-- name: empty_hours
DELETE FROM books.calls_hourly WHERE calls = 0;

-- name: passing_on
-- Where a tool fails right after a call it made, another service's or another tool's: that call.
CREATE OR REPLACE TEMP TABLE passing_on AS
WITH tools AS (SELECT call, started FROM new_calls WHERE kind = 'tool' AND status = 'error')
SELECT call, seq, day, tenant, customer, workflow, agent, kind, name, status, cause, currency FROM (
  SELECT *, CAST(ended AS DATE) AS day, row_number() OVER (PARTITION BY parent ORDER BY seq DESC) AS nth
  FROM books.calls WHERE ended >= (SELECT min(started) FROM tools) AND parent IN (SELECT call FROM tools))
WHERE nth = 1 AND kind IN ('tool', 'external') AND status IN ('error', 'cut', 'cancelled', 'expired');

-- name: passed_on
INSERT INTO books.passed_on SELECT call, seq FROM passing_on;

-- name: failing
CREATE OR REPLACE TEMP TABLE failing AS
SELECT seq, CAST(ended AS DATE) AS day, tenant, customer, workflow, agent, kind, name, status, cause, currency, cost, ended,
  run
FROM new_calls WHERE status IN ('error', 'cut', 'cancelled', 'expired') AND seq NOT IN (SELECT seq FROM passing_on);

-- name: unfailed
-- Of the causes that a correction takes calls from, what is left is counted again: the first and the last of them
-- cannot be taken away from.
CREATE OR REPLACE TEMP TABLE unfailed AS
SELECT DISTINCT CAST(ended AS DATE) AS day, tenant, customer, workflow, agent, kind, name, status, cause, currency
FROM displaced WHERE status IN ('error', 'cut', 'cancelled', 'expired')
UNION SELECT day, tenant, customer, workflow, agent, kind, name, status, cause, currency
FROM passing_on WHERE seq NOT IN (SELECT seq FROM new_calls);

-- name: forget_causes
DELETE FROM books.causes_daily AS t USING unfailed AS u
WHERE t.day = u.day AND t.tenant = u.tenant AND t.customer = u.customer AND t.workflow = u.workflow
  AND t.agent = u.agent AND t.kind = u.kind AND t.name = u.name AND t.status = u.status AND t.cause = u.cause
  AND t.currency = u.currency;

-- name: failing_again
INSERT INTO failing
SELECT c.seq, u.day, c.tenant, c.customer, c.workflow, c.agent, c.kind, c.name, c.status, c.cause, c.currency, c.cost,
  c.ended, c.run
FROM books.calls AS c JOIN unfailed AS u ON CAST(c.ended AS DATE) = u.day AND c.tenant = u.tenant
  AND c.customer = u.customer AND c.workflow = u.workflow AND c.agent = u.agent AND c.kind = u.kind AND c.name = u.name
  AND c.status = u.status AND c.cause = u.cause AND c.currency = u.currency
WHERE c.ended >= (SELECT min(day) FROM unfailed) AND c.seq NOT IN (SELECT seq FROM failing)
  AND c.seq NOT IN (SELECT seq FROM books.passed_on);

-- name: causes_daily
MERGE INTO books.causes_daily AS t USING (
  SELECT day, tenant, customer, workflow, agent, kind, name, status, cause, currency, count(*) AS calls, sum(cost) AS cost,
    min(ended) AS first, max(ended) AS latest, max(seq) AS last, arg_max(run, seq) AS last_run
  FROM failing GROUP BY ALL
) AS m ON t.day >= CAST($day AS DATE) AND t.day = m.day AND t.tenant = m.tenant AND t.customer = m.customer
  AND t.workflow = m.workflow AND t.agent = m.agent AND t.kind = m.kind AND t.name = m.name AND t.status = m.status
  AND t.cause = m.cause AND t.currency = m.currency
WHEN MATCHED THEN UPDATE SET calls = t.calls + m.calls, cost = t.cost + m.cost, first = least(t.first, m.first),
  latest = greatest(t.latest, m.latest), last = greatest(t.last, m.last),
  last_run = CASE WHEN m.last > t.last THEN m.last_run ELSE t.last_run END
WHEN NOT MATCHED THEN INSERT VALUES (m.day, m.tenant, m.customer, m.workflow, m.agent, m.kind, m.name, m.status, m.cause,
  m.currency, m.calls, m.cost, m.first, m.latest, m.last, m.last_run);

-- name: decisions_daily
-- Decisions are never replaced: only a hold's own end is, and nobody decided that.
MERGE INTO books.decisions_daily AS t USING (
  SELECT CAST(happened AS DATE) AS day, tenant, customer, workflow, stage, policy, rule, action, shadow,
    count(*) AS decisions, count(*) FILTER (error) AS errors, max(happened) AS latest
  FROM books.decisions WHERE seq > $seq AND NOT again GROUP BY ALL
) AS m ON t.day >= CAST($day AS DATE) AND t.day = m.day AND t.tenant = m.tenant AND t.customer = m.customer
  AND t.workflow = m.workflow AND t.stage = m.stage AND t.policy = m.policy AND t.rule = m.rule AND t.action = m.action
  AND t.shadow = m.shadow
WHEN MATCHED THEN UPDATE SET decisions = t.decisions + m.decisions, errors = t.errors + m.errors,
  latest = greatest(t.latest, m.latest)
WHEN NOT MATCHED THEN INSERT VALUES (m.day, m.tenant, m.customer, m.workflow, m.stage, m.policy, m.rule, m.action,
  m.shadow, m.decisions, m.errors, m.latest);

-- name: touched
CREATE OR REPLACE TEMP TABLE touched AS SELECT * FROM books.run_states WHERE run IN (SELECT run FROM run_moves);

-- name: touched_lost
INSERT INTO touched SELECT * FROM books.run_states
WHERE run IN (SELECT run FROM lost) AND run NOT IN (SELECT run FROM touched);

-- name: run_turns
-- How the runs of this slice stand now, against how they stood before it.
CREATE OR REPLACE TEMP TABLE run_turns AS
SELECT hour, tenant, customer, workflow, CAST(sum(sign) AS BIGINT) AS runs,
  CAST(coalesce(sum(sign) FILTER (state = 'ok'), 0) AS BIGINT) AS ok,
  CAST(coalesce(sum(sign) FILTER (state = 'failed'), 0) AS BIGINT) AS failed,
  CAST(coalesce(sum(sign) FILTER (state = 'abandoned'), 0) AS BIGINT) AS abandoned
FROM (SELECT *, 1 AS sign FROM books.run_states WHERE run IN (SELECT run FROM run_moves UNION SELECT run FROM touched)
  UNION ALL SELECT *, -1 FROM touched)
GROUP BY ALL;

-- name: runs_hourly
MERGE INTO books.runs_hourly AS t USING (SELECT * FROM run_turns
  WHERE runs <> 0 OR ok <> 0 OR failed <> 0 OR abandoned <> 0) AS m
ON t.hour >= CAST($hour AS TIMESTAMPTZ) AND t.hour = m.hour AND t.tenant = m.tenant AND t.customer = m.customer
  AND t.workflow = m.workflow
WHEN MATCHED THEN UPDATE SET runs = t.runs + m.runs, ok = t.ok + m.ok, failed = t.failed + m.failed,
  abandoned = t.abandoned + m.abandoned
WHEN NOT MATCHED THEN INSERT VALUES (m.hour, m.tenant, m.customer, m.workflow, m.runs, m.ok, m.failed, m.abandoned);

-- name: empty_runs
DELETE FROM books.runs_hourly WHERE runs = 0 AND hour >= CAST($hour AS TIMESTAMPTZ);

-- name: closing
CREATE OR REPLACE TEMP TABLE closing AS
SELECT span FROM books.agents WHERE seq <= $seq AND ended IS NULL
  AND span IN (SELECT span FROM fresh WHERE fact = 'agent.closed');

-- name: delegations_daily
-- An agent counts when it opens, and as failed when it closes so; `closing` are those that were open before.
MERGE INTO books.delegations_daily AS t USING (
  SELECT CAST(started AS DATE) AS day, tenant, customer, workflow, caller, agent, count(*) FILTER (seq > $seq) AS opened,
    count(*) FILTER (status NOT IN ('ok', 'open')) AS failed
  FROM books.agents WHERE seq > $seq OR span IN (SELECT span FROM closing) GROUP BY ALL
) AS m ON t.day = m.day AND t.tenant = m.tenant AND t.customer = m.customer AND t.workflow = m.workflow
  AND t.caller = m.caller AND t.agent = m.agent
WHEN MATCHED THEN UPDATE SET opened = t.opened + m.opened, failed = t.failed + m.failed
WHEN NOT MATCHED THEN INSERT VALUES (m.day, m.tenant, m.customer, m.workflow, m.caller, m.agent, m.opened, m.failed);
