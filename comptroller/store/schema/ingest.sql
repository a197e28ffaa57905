-- From records to rows: run statement by statement by the writer, all in one transaction with the watermark.
-- `fresh` holds the records of one slice of the journal, in order; `$eldest` is the least id among its calls.

-- name: fresh
-- One wide row per record, in the order of the journal; first the columns of `calls`, which most records fill.
-- TRY_CAST matters where a slice is read leniently: an odd value becomes NULL there.
CREATE OR REPLACE TEMP TABLE fresh AS
SELECT n AS seq, c AS call, r AS run, coalesce(d.parent, '') AS parent, coalesce(d.kind, '') AS kind,
  coalesce(d.name, '') AS name, coalesce(nullif(d.model, ''), CASE WHEN d.kind = 'model' THEN d.name END, '') AS model,
  coalesce(d.dialect, '') AS dialect, coalesce(d.tenant, 'default') AS tenant, coalesce(d.customer, '') AS customer,
  coalesce(d."user", '') AS "user", coalesce(d.workflow, '') AS workflow, coalesce(d.agent, '') AS agent,
  coalesce(d."key", '') AS "key", coalesce(d.status, '') AS status, coalesce(d.action, 'allow') AS action,
  coalesce(d.rule, '') AS rule, coalesce(d.because, '') AS because, coalesce(d.policy, '') AS policy,
  coalesce(d.place, '') AS place,
  coalesce(d.error, '') AS error,
  make_timestamptz(coalesce(TRY_CAST(d.started AS BIGINT), t) // 1000) AS started,
  make_timestamptz(TRY_CAST(d.first AS BIGINT) // 1000) AS first,
  make_timestamptz(coalesce(TRY_CAST(d.ended AS BIGINT), t) // 1000) AS ended,
  coalesce(TRY_CAST(d.stream AS BOOLEAN), false) AS stream, coalesce(TRY_CAST(d.attempt AS INTEGER), 0) + 1 AS attempt,
  coalesce(TRY_CAST(d.usage.input AS BIGINT), 0) AS input, coalesce(TRY_CAST(d.usage.output AS BIGINT), 0) AS output,
  coalesce(TRY_CAST(d.usage.cache_read AS BIGINT), 0) AS cache_read,
  coalesce(TRY_CAST(d.usage.cache_write_5m AS BIGINT), 0)
    + coalesce(TRY_CAST(d.usage.cache_write_1h AS BIGINT), 0) AS cache_write,
  coalesce(TRY_CAST(d.usage.reasoning AS BIGINT), 0) AS reasoning,
  CAST(coalesce(TRY_CAST(d.cost AS BIGINT), 0) * 0.000000001 AS DECIMAL(38,9)) AS cost,
  CAST(coalesce(TRY_CAST(d.worst AS BIGINT), 0) * 0.000000001 AS DECIMAL(38,9)) AS worst,
  coalesce(d.currency, '') AS currency, coalesce(d.price, '') AS price,
  coalesce(TRY_CAST(d.estimated AS BOOLEAN), false) AS estimated,
  coalesce(TRY_CAST(d.unpriced AS BOOLEAN), false) AS unpriced,
  CAST(coalesce(TRY_CAST(d.overrun AS BIGINT), 0) * 0.000000001 AS DECIMAL(38,9)) AS overrun,
  coalesce(TRY_CAST(d.opaque AS BOOLEAN), false) AS opaque,
  coalesce(d.tool.effect, '') AS effect, coalesce(d.tool.call_id, '') AS tool_call,
  TRY_CAST(d.upstream.status AS INTEGER) AS upstream_status, coalesce(d.upstream.id, '') AS upstream_id,
  coalesce(d.cached, '') AS cached,
  CAST(coalesce(TRY_CAST(d.saved AS BIGINT), 0) * 0.000000001 AS DECIMAL(38,9)) AS saved,
  k AS fact, i AS id, make_timestamptz(t // 1000) AS happened, d.decisions AS decisions, d.request AS request,
  coalesce(d.request_after[1], '') AS after_call, coalesce(TRY_CAST(d.request_after[2] AS INTEGER), 0) AS after_count,
  d.reply AS reply, coalesce(d.tool.args, '') AS args, coalesce(d.trace, '') AS trace, coalesce(d."outer", '') AS outer_run,
  d.budget AS budget, d.span AS span, d.scopes AS scopes, d.status AS said_status, d.type AS type, d.subject AS subject,
  d.degree AS degree, d.evidence AS evidence, d.version AS version, TRY_CAST(d.rules AS BIGINT) AS rules, d.files AS files,
  d.guard AS guard, d.reason AS reason, d.pid AS pid, '' AS cause, d.tool.origins AS origins,
  CASE WHEN k = 'agent.handed_over' THEN d."to" END AS taker
FROM read_json($file, format = 'newline_delimited', maximum_object_size = $most, columns = {columns});

-- name: new_calls
CREATE OR REPLACE TEMP VIEW new_calls AS
SELECT seq, call, run, parent, kind, name, model, dialect, tenant, customer,
  "user", workflow, agent, "key", status, action, rule, because, policy, place,
  error, started, first, ended, stream, attempt, input, output, cache_read, cache_write,
  reasoning, cost, worst, currency, price, estimated, unpriced, overrun, opaque, effect,
  tool_call, upstream_status, upstream_id, cached, saved, cause
FROM fresh WHERE fact = 'call.closed' UNION ALL SELECT * FROM gone;

-- name: no_gone
CREATE OR REPLACE TEMP TABLE gone AS SELECT * FROM books.calls LIMIT 0;

-- name: failures
-- The errors of this slice that are records, and the words for them, which `failures.py` finds.
UPDATE fresh SET error = w.told FROM (SELECT unnest($raw) AS raw, unnest($told) AS told) AS w WHERE error = w.raw;

-- name: lost
-- Holds that ended without their calls: a second look at the slice, for what only these records have.
CREATE OR REPLACE TEMP TABLE lost AS
SELECT n AS seq, r AS run, c AS call, make_timestamptz(t // 1000) AS happened, d.reason AS reason,
  list_filter(d.hold.lines, lambda line: regexp_full_match(line[2], '[A-Z]{3}'))[1] AS line
FROM read_json($file, format = 'newline_delimited', maximum_object_size = $most, columns = {columns})
WHERE k = 'hold.expired';

-- name: twice
SELECT call FROM fresh WHERE fact = 'call.closed' GROUP BY call HAVING count(*) > 1 LIMIT 1;

-- name: forget_twice
-- The first end of a call stands.
DELETE FROM fresh WHERE fact = 'call.closed'
  AND seq NOT IN (SELECT min(seq) FROM fresh WHERE fact = 'call.closed' GROUP BY call);

-- name: new_opened
-- Calls that were opened here and did not end here.
CREATE OR REPLACE TEMP TABLE new_opened AS
SELECT min(seq) AS seq, call FROM fresh
WHERE fact = 'call.opened' AND call NOT IN (SELECT call FROM fresh WHERE fact = 'call.closed') GROUP BY call;

-- name: known
-- Calls of this slice that the books have already. Ids sort by time, so only the rows since the eldest are looked at.
CREATE OR REPLACE TEMP TABLE known AS
SELECT seq, call, run, status FROM books.calls WHERE call >= $eldest AND call IN (
  SELECT call FROM fresh WHERE fact = 'call.closed' UNION ALL SELECT call FROM new_opened UNION ALL SELECT call FROM gone);

-- name: forget_opened
DELETE FROM new_opened WHERE call IN (SELECT call FROM known);

-- name: open_calls
INSERT INTO books.open_calls
SELECT seq, call, run, parent, kind, name, dialect, tenant, customer, "user", workflow, agent, "key", policy, started,
  stream, worst, currency, price
FROM fresh WHERE seq IN (SELECT seq FROM new_opened) AND call NOT IN (SELECT call FROM books.open_calls) ORDER BY seq;

-- name: gone
-- An unfinished hold is the only end its call will see, unless its reply still comes in: charged at its estimate.
INSERT INTO gone
SELECT e.seq, o.call, o.run, o.parent, o.kind, o.name, CASE WHEN o.kind = 'model' THEN o.name ELSE '' END, o.dialect,
  o.tenant, o.customer, o."user", o.workflow, o.agent, o."key", 'expired', 'allow', '', '', o.policy, '',
  coalesce(e.reason, 'The process ended before the call did.'), o.started, NULL, e.happened,
  o.stream, 1, 0, 0, 0, 0, 0, CAST(coalesce(TRY_CAST(e.line[3] AS BIGINT), 0) * 0.000000001 AS DECIMAL(38,9)),
  o.worst, coalesce(e.line[2], o.currency), o.price, true, false, 0, false, '', '', NULL, '', '', 0, ''
FROM lost AS e JOIN books.open_calls AS o ON o.call = e.call AND o.seq < e.seq
WHERE o.call NOT IN (SELECT call FROM fresh WHERE fact = 'call.closed')
QUALIFY row_number() OVER (PARTITION BY e.call ORDER BY e.seq) = 1;

-- name: forget_recorded
-- A real end corrects what a recovery wrote for a lost hold; nothing else is ever replaced.
DELETE FROM fresh WHERE fact = 'call.closed' AND call IN (SELECT call FROM known WHERE status <> 'expired');

-- name: forget_gone
DELETE FROM gone WHERE call IN (SELECT call FROM known);

-- name: displaced
CREATE OR REPLACE TEMP TABLE displaced AS
SELECT * FROM books.calls WHERE call >= $eldest
  AND seq IN (SELECT seq FROM known WHERE call IN (SELECT call FROM fresh WHERE fact = 'call.closed'));

-- name: forget_displaced
DELETE FROM books.calls WHERE call >= $eldest AND seq IN (SELECT seq FROM displaced);

-- name: ended
DELETE FROM books.open_calls WHERE call IN (
  SELECT call FROM fresh WHERE fact = 'call.closed' UNION ALL SELECT call FROM gone UNION ALL SELECT call FROM known);

-- name: calls
INSERT INTO books.calls SELECT * FROM new_calls;

-- name: texts
INSERT INTO books.texts SELECT seq, call, run, started, after_call, after_count, request, reply, args
FROM fresh WHERE fact = 'call.closed' AND (after_count > 0 OR len(request) > 0 OR len(reply) > 0 OR args <> '');

-- name: decisions
INSERT INTO books.decisions
SELECT seq, happened, call, run, customer, workflow, agent, kind, name, coalesce(v.stage, ''), coalesce(v.action, ''),
  coalesce(v.rule, ''), coalesce(v.policy, ''), coalesce(v.because, ''), coalesce(v.place, ''), coalesce(v.tool, ''),
  coalesce(array_to_string(list_transform(v.findings, lambda f: f.kind || ' x' || f.count), ', '), ''),
  coalesce(TRY_CAST(v.shadow AS BOOLEAN), false), coalesce(TRY_CAST(v.error AS BOOLEAN), false), policy, tenant,
  kind = 'model' AND coalesce(v.tool, '') <> '' AND coalesce(v.stage, '') NOT IN ('model', 'result', 'reply')
FROM (SELECT seq, happened, call, run, tenant, customer, workflow, agent, kind, name, policy, unnest(decisions) AS v
  FROM fresh WHERE fact = 'call.closed' AND len(decisions) > 0);

-- name: votes
-- A model call repeats what was decided on a tool call it asked for: that call has the votes itself.
INSERT INTO books.votes
SELECT seq, happened, call, run, tenant, customer, coalesce(stage, ''), coalesce(rule, ''), coalesce(o.judge, ''),
  coalesce(o.vote, '')
FROM (SELECT seq, happened, call, run, tenant, customer, v.stage AS stage, v.rule AS rule, unnest(v.judged.votes) AS o
  FROM (SELECT seq, happened, call, run, tenant, customer, kind, unnest(decisions) AS v
    FROM fresh WHERE fact = 'call.closed' AND len(decisions) > 0)
  WHERE len(v.judged.votes) > 0
    AND (kind <> 'model' OR coalesce(v.tool, '') = '' OR coalesce(v.stage, '') IN ('model', 'result', 'reply')));

-- name: origins
INSERT INTO books.origins
SELECT seq, happened, call, run, tenant, customer, name, coalesce(o.arg, ''), coalesce(o.label, ''), o.sources, o.tools
FROM (SELECT seq, happened, call, run, tenant, customer, name, unnest(origins) AS o
  FROM fresh WHERE fact = 'call.closed' AND len(origins) > 0);

-- name: run_moves
-- One row per run touched by this slice: who it is by its first record, and what its calls add.
CREATE OR REPLACE TEMP TABLE run_moves AS
WITH facts AS (
  SELECT *, fact = 'run.opened' AS opens, fact = 'run.closed' AS closes FROM fresh
  WHERE run <> '' AND fact IN ('run.opened', 'run.closed', 'call.opened', 'call.closed', 'agent.opened')
), who AS (
  SELECT run, min(seq) AS seq, max(seq) AS last, arg_min(tenant, seq) AS tenant, arg_min(customer, seq) AS customer,
    arg_min("user", seq) AS "user", arg_min(workflow, seq) AS workflow, arg_min(agent, seq) AS agent,
    arg_min("key", seq) AS "key", arg_min(parent, seq) AS parent, arg_min(trace, seq) AS trace,
    arg_min(outer_run, seq) AS outer_run,
    string_agg(DISTINCT agent, chr(10) ORDER BY agent) FILTER (agent <> '') AS agents,
    bool_or(opens) AS opens, min(happened) FILTER (opens) AS opened, min(started) AS began,
    arg_min(budget, seq) FILTER (opens) AS budget, max(happened) FILTER (closes) AS ended,
    arg_max(status, seq) FILTER (closes) AS status, arg_max(error, seq) FILTER (closes) AS error,
    arg_max(cause, seq) FILTER (closes) AS cause
  FROM facts GROUP BY run
), sums AS (
  SELECT run, count(*) AS calls, count(*) FILTER (status IN ('error', 'cut', 'cancelled', 'expired')) AS failed,
    count(*) FILTER (status IN ('denied', 'over_budget', 'rate_limited', 'pending')) AS refused,
    count(*) FILTER (action = 'redact') AS redacted, count(*) FILTER (estimated) AS estimated,
    count(*) FILTER (unpriced) AS unpriced, count(*) FILTER (unknown) AS opaque,
    CAST(sum(input) AS BIGINT) AS input, CAST(sum(output) AS BIGINT) AS output, min(started) AS started, max(ended) AS latest,
    arg_min(error, seq) FILTER (error <> '') AS first_error,
    arg_min(coalesce(nullif(because, ''), rule), seq) FILTER (status IN ('denied', 'over_budget', 'rate_limited', 'pending')
      AND because || rule <> '') AS refusal,
    string_agg(DISTINCT model, chr(10) ORDER BY model) FILTER (model <> '') AS models,
    arg_min(currency, seq) FILTER (currency <> '') AS currency, sum(cost) AS cost
  FROM (SELECT *, opaque AND status NOT IN ('denied', 'over_budget', 'rate_limited', 'pending') AS unknown FROM new_calls WHERE run <> '')
  GROUP BY run
)
SELECT coalesce(who.run, sums.run) AS run, who.* EXCLUDE (run), sums.* EXCLUDE (run)
FROM who FULL JOIN sums ON sums.run = who.run;

-- name: runs
MERGE INTO books.runs AS r USING run_moves AS m ON r.run = m.run
WHEN MATCHED THEN UPDATE SET
  tenant = CASE WHEN m.opens AND NOT r.declared THEN m.tenant ELSE r.tenant END,
  customer = CASE WHEN m.opens AND NOT r.declared THEN m.customer ELSE r.customer END,
  "user" = CASE WHEN m.opens AND NOT r.declared THEN m."user" ELSE r."user" END,
  workflow = CASE WHEN m.opens AND NOT r.declared THEN m.workflow ELSE r.workflow END,
  agent = CASE WHEN m.opens AND NOT r.declared THEN m.agent ELSE r.agent END,
  declared = r.declared OR coalesce(m.opens, false), last = greatest(r.last, m.last),
  status = coalesce(m.status, r.status), error = coalesce(m.error, r.error),
  first_error = coalesce(nullif(r.first_error, ''), m.first_error, ''),
  started = CASE WHEN r.declared THEN r.started ELSE coalesce(m.opened, least(r.started, m.began, m.started)) END,
  latest = greatest(r.latest, m.latest), ended = coalesce(m.ended, r.ended),
  calls = r.calls + coalesce(m.calls, 0), failed = r.failed + coalesce(m.failed, 0),
  refused = r.refused + coalesce(m.refused, 0), redacted = r.redacted + coalesce(m.redacted, 0),
  estimated = r.estimated + coalesce(m.estimated, 0), unpriced = r.unpriced + coalesce(m.unpriced, 0),
  opaque = r.opaque + coalesce(m.opaque, 0), input = r.input + coalesce(m.input, 0), output = r.output + coalesce(m.output, 0),
  cost = r.cost + coalesce(m.cost, 0), currency = coalesce(nullif(r.currency, ''), m.currency, ''),
  budget = coalesce(r.budget, CAST(TRY_CAST(m.budget[1] AS BIGINT) * 0.000000001 AS DECIMAL(38,9))),
  budget_currency = coalesce(nullif(r.budget_currency, ''), m.budget[2], ''), cause = coalesce(m.cause, r.cause),
  refusal = coalesce(nullif(r.refusal, ''), m.refusal, ''),
  agents = CASE WHEN m.agents IS NULL OR m.agents = r.agents THEN r.agents WHEN r.agents = '' THEN m.agents
    ELSE array_to_string(list_sort(list_distinct(string_split(r.agents || chr(10) || m.agents, chr(10)))), chr(10)) END,
  models = CASE WHEN m.models IS NULL OR m.models = r.models THEN r.models WHEN r.models = '' THEN m.models
    ELSE array_to_string(list_sort(list_distinct(string_split(r.models || chr(10) || m.models, chr(10)))), chr(10)) END
WHEN NOT MATCHED THEN INSERT VALUES (
  m.seq, m.last, NULL, m.run, m.tenant, m.customer, m."user", m.workflow, m.agent, m."key", m.parent, m.outer_run,
  m.trace, coalesce(m.opens, false),
  coalesce(m.status, 'open'), coalesce(m.error, ''), coalesce(m.first_error, ''),
  coalesce(m.opened, least(m.began, m.started)), m.latest, m.ended,
  coalesce(m.calls, 0), coalesce(m.failed, 0), coalesce(m.refused, 0), coalesce(m.redacted, 0),
  coalesce(m.estimated, 0), coalesce(m.unpriced, 0), coalesce(m.opaque, 0),
  coalesce(m.input, 0), coalesce(m.output, 0),
  coalesce(m.cost, 0), coalesce(m.currency, ''), CAST(TRY_CAST(m.budget[1] AS BIGINT) * 0.000000001 AS DECIMAL(38,9)),
  coalesce(m.budget[2], ''), coalesce(m.cause, ''), coalesce(m.refusal, ''), coalesce(m.agents, ''),
  coalesce(m.models, ''));

-- name: runs_lost
-- A process that was gone before its call ended takes its run with it, unless the run is heard of again.
UPDATE books.runs AS r SET lost = greatest(r.lost, e.seq)
FROM (SELECT run, max(seq) AS seq FROM lost WHERE reason LIKE 'its process ended%' GROUP BY run) AS e WHERE r.run = e.run;

-- name: mixed
-- Runs whose calls were charged in more than one currency; asked only where the books know more than one at all.
SELECT DISTINCT c.run FROM new_calls AS c JOIN books.runs AS r ON r.run = c.run
WHERE c.currency <> '' AND c.currency <> r.currency AND c.run <> '';

-- name: recount
-- The exact sums of a few runs from their calls: after a correction, or where currencies must not be mixed.
UPDATE books.runs AS r SET calls = s.calls, failed = s.failed, refused = s.refused, redacted = s.redacted,
  estimated = s.estimated, unpriced = s.unpriced, opaque = s.opaque, input = s.input, output = s.output, latest = s.latest,
  first_error = s.first_error, currency = s.currency, cost = s.cost, refusal = s.refusal, models = s.models
FROM (
  SELECT run, count(*) AS calls, count(*) FILTER (status IN ('error', 'cut', 'cancelled', 'expired')) AS failed,
    count(*) FILTER (status IN ('denied', 'over_budget', 'rate_limited', 'pending')) AS refused,
    count(*) FILTER (action = 'redact') AS redacted, count(*) FILTER (estimated) AS estimated,
    count(*) FILTER (unpriced) AS unpriced,
    count(*) FILTER (opaque AND status NOT IN ('denied', 'over_budget', 'rate_limited', 'pending')) AS opaque,
    CAST(sum(input) AS BIGINT) AS input, CAST(sum(output) AS BIGINT) AS output,
    max(ended) AS latest, coalesce(arg_min(error, seq) FILTER (error <> ''), '') AS first_error,
    coalesce(arg_min(coalesce(nullif(because, ''), rule), seq) FILTER (status IN ('denied', 'over_budget', 'rate_limited', 'pending')
      AND because || rule <> ''), '') AS refusal,
    coalesce(string_agg(DISTINCT model, chr(10) ORDER BY model) FILTER (model <> ''), '') AS models,
    any_value(main) AS currency, coalesce(sum(cost) FILTER (currency IN (main, '')), 0) AS cost
  FROM (SELECT *, coalesce(arg_min(currency, seq) FILTER (currency <> '') OVER (PARTITION BY run), '') AS main
    FROM books.calls WHERE run IN (SELECT unnest($runs)))
  GROUP BY run
) AS s WHERE r.run = s.run;

-- name: forget_other_costs
DELETE FROM books.other_costs WHERE run IN (SELECT unnest($runs));

-- name: other_costs
INSERT INTO books.other_costs
SELECT c.run, c.currency, sum(c.cost) FROM books.calls AS c JOIN books.runs AS r ON r.run = c.run
WHERE c.run IN (SELECT unnest($runs)) AND c.currency <> '' AND c.currency <> r.currency
GROUP BY c.run, c.currency ORDER BY c.run, c.currency;

-- name: agents_opened
-- Each with the agent that opened it: its parent is the span of an agent, or a call under way at that time.
INSERT INTO books.agents
WITH opened AS (SELECT * FROM fresh WHERE fact = 'agent.opened'), under_way AS (
  SELECT call, agent, seq FROM fresh WHERE fact = 'call.opened' UNION ALL SELECT call, agent, seq FROM books.open_calls
), parents AS (
  SELECT id AS parent, agent, seq, NULL AS until FROM opened
  UNION ALL SELECT span, agent, seq, NULL FROM books.agents WHERE span IN (SELECT parent FROM opened)
  UNION ALL SELECT call, agent, seq, (SELECT min(e.seq) FROM fresh AS e
    WHERE e.call = under_way.call AND e.fact IN ('call.closed', 'hold.expired')) FROM under_way
  WHERE call IN (SELECT parent FROM opened)
), callers AS (
  SELECT o.seq, arg_min(p.agent, p.seq) AS caller FROM opened AS o
  JOIN parents AS p ON p.parent = o.parent AND p.seq < o.seq AND coalesce(p.until > o.seq, true) GROUP BY o.seq
)
SELECT o.seq, id, run, o.parent, o.agent, customer, workflow, scopes, happened, NULL, 'open', action, rule, because, tenant,
  coalesce(caller, '')
FROM opened AS o LEFT JOIN callers AS c ON c.seq = o.seq
WHERE id NOT IN (SELECT span FROM books.agents WHERE span >= (SELECT min(id) FROM opened))
QUALIFY row_number() OVER (PARTITION BY id ORDER BY o.seq) = 1 ORDER BY o.seq;

-- name: agents_closed
UPDATE books.agents AS a SET ended = e.ended, status = e.status
FROM (SELECT span, min(happened) AS ended, coalesce(nullif(arg_min(status, seq), ''), 'ok') AS status
  FROM fresh WHERE fact = 'agent.closed' GROUP BY span) AS e
WHERE a.span = e.span AND a.ended IS NULL;

-- name: claims
INSERT INTO books.claims
SELECT seq, id, happened, run, tenant, customer, workflow, agent, coalesce(type, ''), coalesce(subject, ''),
  TRY_CAST(degree AS DECIMAL(18,9)), coalesce(evidence, ''), action, rule
FROM fresh WHERE fact = 'claim'
  AND id NOT IN (SELECT claim FROM books.claims WHERE claim >= (SELECT min(id) FROM fresh WHERE fact = 'claim'));

-- name: policies
INSERT INTO books.policies
SELECT seq, version, happened, rules, f.path, f.digest, f.text
FROM (SELECT seq, version, happened, rules, unnest(files) AS f FROM fresh WHERE fact = 'policy.loaded'
  AND seq IN (SELECT min(seq) FROM fresh WHERE fact = 'policy.loaded' GROUP BY version)
  AND version NOT IN (SELECT version FROM books.policies));

-- name: events
INSERT INTO books.events
SELECT seq, happened, fact, run, call, customer, workflow, agent, coalesce(guard, nullif(rule, ''), version, taker, ''),
  coalesce(nullif(because, ''), reason, nullif(error, ''), CASE WHEN pid IS NOT NULL THEN 'process ' || pid END, ''), tenant
FROM fresh WHERE fact IN ('ask', 'guard.failed', 'hold.expired', 'ledger.opened', 'agent.handed_over');

-- name: told
-- Outcomes, transactions and invoices: a second look at the slice, for what only these records have.
CREATE OR REPLACE TEMP TABLE told AS
SELECT n AS seq, k AS fact, i AS id, make_timestamptz(t // 1000) AS recorded, r AS run,
  make_timestamptz(coalesce(d."at", t) // 1000) AS happened, d
FROM read_json($file, format = 'newline_delimited', maximum_object_size = $most, columns = {columns})
WHERE k IN ('outcome', 'books.txn', 'books.invoice')
QUALIFY row_number() OVER (PARTITION BY k, i ORDER BY n) = 1;

-- name: outcome_events
INSERT INTO books.outcome_events
SELECT seq, id, d.outcome, happened, recorded, run, d.type, coalesce(d.actor, ''), coalesce(d.attestor, ''),
  coalesce(d.method, ''), CAST(d.evidence AS VARCHAR[]), coalesce(d.state, ''), coalesce(d.ignored, ''),
  CAST(d.data AS VARCHAR)
FROM told WHERE fact = 'outcome' AND id NOT IN (SELECT event FROM books.outcome_events) ORDER BY seq;

-- name: postings
INSERT INTO books.postings
SELECT seq, id, happened, d.period, d.tenant, d.customer, p[1], p[2],
  CAST(CAST(p[3] AS HUGEINT) * 0.000000001 AS DECIMAL(38,9))
FROM (SELECT *, unnest(d.postings) AS p FROM told WHERE fact = 'books.txn' AND id NOT IN (SELECT txn FROM books.txns))
ORDER BY seq;

-- name: txns
INSERT INTO books.txns
SELECT seq, id, d.cause, d.kind, happened, recorded, d.period, d.tenant, d.customer, coalesce(d.reverses, ''),
  coalesce(d.about ->> 'outcome', ''), coalesce(d.about ->> 'invoice', ''), run
FROM told WHERE fact = 'books.txn' AND id NOT IN (SELECT txn FROM books.txns) ORDER BY seq;

-- name: invoice_lines
INSERT INTO books.invoice_lines
SELECT seq, number, line, tenant, customer, l.kind, l.title, l.about, l.quantity, l.unit, currency,
  CAST(l.gross * 0.000000001 AS DECIMAL(38,9)), CAST(l.discount * 0.000000001 AS DECIMAL(38,9)),
  CAST(l.tax * 0.000000001 AS DECIMAL(38,9)), l.type, coalesce(nullif(l.period, ''), period), l.price, len(l.items)
FROM (SELECT seq, d.number AS number, d.tenant AS tenant, d.customer AS customer, d.document.currency AS currency,
    d.document.period AS period, unnest(d.document.lines) AS l, generate_subscripts(d.document.lines, 1) AS line
  FROM told WHERE fact = 'books.invoice' AND d.event = 'finalised'
    AND d.number NOT IN (SELECT number FROM books.invoices))
ORDER BY seq, line;

-- name: invoices
INSERT INTO books.invoices
SELECT seq, d.number, d.invoice, d.tenant, d.customer, d.document.contract, d.document.period,
  TRY_CAST(d.document.first AS DATE), TRY_CAST(d.document.last AS DATE), TRY_CAST(d.document.issued AS DATE),
  TRY_CAST(d.document.due AS DATE), d.document.currency,
  CAST(d.document.totals.subtotal * 0.000000001 AS DECIMAL(38,9)),
  CAST(d.document.totals.discount * 0.000000001 AS DECIMAL(38,9)),
  CAST(d.document.totals.tax * 0.000000001 AS DECIMAL(38,9)),
  CAST(d.document.totals.credits * 0.000000001 AS DECIMAL(38,9)), d.document.held, d.document.failed, d.document.digest
FROM told WHERE fact = 'books.invoice' AND d.event = 'finalised' AND d.number NOT IN (SELECT number FROM books.invoices)
ORDER BY seq;

-- name: invoice_events
INSERT INTO books.invoice_events
SELECT seq, id, d.invoice, recorded, d.event, coalesce(d.credit.number, d.payment.id, ''), coalesce(d.credit.outcome, ''),
  CAST(coalesce(d.credit.net + d.credit.tax, d.payment.nanos) * 0.000000001 AS DECIMAL(38,9)),
  CAST(d.credit.tax * 0.000000001 AS DECIMAL(38,9)), coalesce(d.because, d.credit.because, '')
FROM told WHERE fact = 'books.invoice' AND d.event <> 'finalised' AND d.invoice IS NOT NULL
  AND id NOT IN (SELECT event FROM books.invoice_events) ORDER BY seq;

-- name: usage
-- Batches of usage from elsewhere; `usage.sql` has what is done with them.
CREATE OR REPLACE TEMP TABLE named AS
SELECT n AS seq, i AS id, make_timestamptz(t // 1000) AS happened, coalesce(d.tenant, 'default') AS tenant,
  coalesce(d.source, '') AS source, coalesce(d.name, '') AS name, coalesce(d.digest, '') AS digest,
  coalesce(d.path, '') AS path, coalesce(TRY_CAST(d.rows AS BIGINT), 0) AS rows
FROM read_json($file, format = 'newline_delimited', maximum_object_size = $most, columns = {columns})
WHERE k = 'usage';

-- name: watermark
UPDATE books.watermark SET segment = $segment, byte_offset = $offset, sequence = $sequence, chain = $chain;
