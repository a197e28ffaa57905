-- Books full of made-up work, straight into their tables. `{calls}` calls end at `{until}` (us since 1970), {span} days of
-- them; everything is drawn from `hash()` of a number, so the same arguments make the same books.

-- name: draw
CREATE OR REPLACE TEMP MACRO draw(a) AS CAST(hash(a) >> 1 AS BIGINT), (a, b) AS CAST(hash(a, b) >> 1 AS BIGINT),
  (a, b, c) AS CAST(hash(a, b, c) >> 1 AS BIGINT);

-- name: drawn
-- Runs by number, with how many calls each has: a few dozen, some thousands in a few, and 33,000 in one.
CREATE OR REPLACE TEMP TABLE drawn AS
SELECT r, x, size, tenant, tenant || '-' || (draw(r, 'c') % 20 + 1) AS customer,
  ['claims', 'loans', 'support', 'research', 'invoices', 'onboarding', 'triage', 'migration', 'reports', 'contracts',
   'dispatch', 'returns', 'screening', 'forecast', 'nightly'][flow + 1] AS workflow, flow,
  'u' || (draw(r, 'u') % 500) AS "user", CASE tenant WHEN 'atlas' THEN 'EUR' ELSE 'USD' END AS currency,
  {until} - {span} * 86400000000 + CAST({span} * 86400000000.0 * x AS BIGINT) AS began,
  1000000 + draw(r, 's') % 6000000 AS step
FROM (
  SELECT *, least(greatest(place + 0.0015 * sin(2 * pi() * {span} * place), 0), 0.9999) AS x
  FROM (
    SELECT *, CAST(least(full_size, {calls} - before) AS BIGINT) AS size, CAST(r AS DOUBLE) / max(r) OVER () AS place
    FROM (SELECT *, sum(full_size) OVER (ORDER BY r) - full_size AS before
      FROM (SELECT r, ['default', 'default', 'nordwind', 'atlas'][draw(r, 't') % 4 + 1] AS tenant,
          least(draw(r, 'w') % 15, draw(r, 'v') % 15) AS flow,
          CASE WHEN r = {runs} * 9 // 10 THEN 33000 WHEN r % 20011 = 77 THEN 4000
            ELSE 4 + CAST(84 * pow(draw(r, 'n') % 1000 / 1000.0, 3) AS BIGINT) END AS full_size
        FROM range({runs} * 3 // 2) AS t(r)))
    WHERE before < {calls})
) ORDER BY r;

-- name: spine
-- Every call's run, place in it and times, in the order in which calls ended.
CREATE OR REPLACE TEMP TABLE spine AS
SELECT row_number() OVER (ORDER BY ended) AS seq, r, i, started, ended FROM (
  SELECT r, i, started, started + 200000 + draw(r, i, 'd') % 3000000 AS ended
  FROM (SELECT r, i, began + i * step AS started FROM (SELECT r, began, step, unnest(range(size)) AS i FROM drawn)));

-- name: named
CREATE OR REPLACE TEMP TABLE named AS
SELECT *, '0' || lower(to_hex(began // 1000)) || '7' || lpad(lower(to_hex(draw(r, 'run') % 4096)), 3, '0')
  || lpad(lower(to_hex(draw(r, 'id'))), 16, '0') AS run FROM drawn;

-- name: agents
-- Four agents a run: the first opens the others. Of two workflows in fifteen they open one another.
INSERT INTO books.agents
SELECT n.r + 1, span_of, n.run,
  CASE k WHEN 0 THEN n.run ELSE CASE WHEN chain THEN before ELSE first_span END END,
  agent, customer, workflow, NULL, make_timestamptz(began + k * 1000), make_timestamptz(began + size * step),
  CASE WHEN draw(n.r, k, 'f') % 40 = 0 THEN 'error' ELSE 'ok' END, 'allow', '', '', tenant,
  CASE k WHEN 0 THEN '' ELSE 'agent-' || CASE WHEN chain THEN (flow * 3 + k - 1) % 40 ELSE (flow * 3) % 40 END END
FROM (SELECT *, k, 'agent-' || ((flow * 3 + k) % 40) AS agent, flow % 7 = 3 AS chain,
    left(run, 15) || k || substr(run, 17) AS span_of, left(run, 15) || 0 || substr(run, 17) AS first_span,
    left(run, 15) || (k - 1) || substr(run, 17) AS before
  FROM (SELECT *, unnest(range(4)) AS k FROM named)) AS n ORDER BY began, k;

-- name: part
CREATE OR REPLACE TEMP TABLE part AS
SELECT seq, call, run, parent, kind, name, CASE kind WHEN 'model' THEN name ELSE '' END AS model,
  CASE kind WHEN 'model' THEN CASE WHEN m < 6 THEN 'openai_chat' ELSE 'anthropic' END ELSE '' END,
  tenant, customer, "user", workflow, agent, 'key-' || (r % 24), status,
  CASE WHEN status IN ('denied', 'over_budget') THEN 'deny' WHEN p = 7 THEN 'redact' ELSE 'allow' END,
  CASE WHEN status IN ('denied', 'over_budget') THEN 'rule-' || (h % 40) ELSE '' END,
  CASE status WHEN 'denied' THEN 'Tool ' || name || ' is not allowed for ' || workflow
    WHEN 'over_budget' THEN customer || ' would pass its cap of 50 USD this month' ELSE '' END,
  '0123456789abcdef', '', error, make_timestamptz(started),
  CASE kind WHEN 'model' THEN make_timestamptz(started + 150000) END,
  make_timestamptz(ended), kind = 'model' AND m % 2 = 0, 1, tokens, tokens // 5,
  CASE WHEN m % 3 = 0 THEN tokens // 2 ELSE 0 END,
  0, 0, cost, cost * 2, CASE WHEN cost > 0 THEN paid ELSE '' END,
  CASE WHEN cost > 0 THEN 'genai-prices-0.2.3@2026-01-01' ELSE '' END,
  status IN ('cut', 'expired'), kind = 'model' AND h % 5003 = 0,
  CASE WHEN h % 9973 = 0 THEN cost / 10 ELSE 0 END, false,
  CASE kind WHEN 'tool' THEN CASE WHEN m % 2 = 0 THEN 'read' ELSE 'write' END ELSE '' END,
  CASE kind WHEN 'tool' THEN 'call_' || right(call, 12) ELSE '' END,
  CASE WHEN status = 'error' AND kind = 'model' THEN 429 WHEN kind = 'model' AND status = 'ok' THEN 200 END,
  CASE WHEN kind = 'model' AND status = 'ok' THEN 'req_' || right(call, 12) ELSE '' END,
  CASE WHEN kind = 'model' AND h % 211 = 0 THEN call ELSE '' END,
  CASE WHEN kind = 'model' AND h % 211 = 0 THEN cost ELSE 0 END
FROM (
  SELECT *, CASE WHEN kind <> 'model' OR status IN ('denied', 'over_budget') THEN 0 ELSE 200 + h % 6000 END AS tokens,
    CAST(CASE WHEN kind <> 'model' OR status IN ('denied', 'over_budget') THEN 0
      ELSE (200 + h % 6000) * (1 + m) * 0.0000008 END AS DECIMAL(38,9)) AS cost,
    CASE WHEN status IN ('error', 'cut', 'cancelled', 'expired') THEN CASE status
      WHEN 'cut' THEN 'The stream of ' || name || ' ended after ' || h % 900 || ' events.'
      WHEN 'cancelled' THEN 'CancelledError: the caller left after ' || h % 30 || '.' || h % 10 || ' s'
      WHEN 'expired' THEN 'its process ended before the call did'
      ELSE CASE h % 9
        WHEN 0 THEN 'RateLimitError: 429 Too many requests for org-' || right(call, 8)
          || ', try again in ' || h % 60 || ' s'
        WHEN 1 THEN 'APITimeoutError: no answer to ' || call || ' within ' || 30 + h % 60 || ' s'
        WHEN 2 THEN 'ToolError: ' || name || ' said "row ' || h % 100000 || ' not found"'
        WHEN 3 THEN 'ConnectError: [Errno 111] connection to 10.0.' || h % 256 || '.7:5432 refused'
        WHEN 4 THEN 'ValidationError: field ''amount'' of ' || workflow || ' is missing in document '
          || right(call, 12)
        WHEN 5 THEN 'BadRequestError: context of ' || 128000 + h % 9000 || ' tokens is longer than 128000'
        WHEN 6 THEN 'InternalServerError: 500 upstream of ' || customer || ' (request req_' || right(call, 12) || ')'
        WHEN 7 THEN 'JSONDecodeError: expecting value at line ' || h % 40 || ' column ' || h % 9
        ELSE 'PermissionError: https://crm.example.com/v2/accounts/' || h % 100000 || ' refused ' || agent END END
      ELSE '' END AS error
  FROM (
    SELECT *, '0' || lower(to_hex(started // 1000)) || '7' || lpad(lower(to_hex(i % 4096)), 3, '0')
        || lpad(lower(to_hex(h)), 16, '0') AS call,
      left(run, 15) || k || substr(run, 17) AS parent, 'agent-' || ((flow * 3 + k) % 40) AS agent,
      CASE WHEN r % 97 = 0 AND i % 10 = 5 THEN CASE currency WHEN 'USD' THEN 'EUR' ELSE 'USD' END ELSE currency END AS paid,
      CASE kind WHEN 'model' THEN ['gpt-4o', 'gpt-4o-mini', 'gpt-5', 'gpt-5-mini', 'o4', 'o4-mini', 'claude-sonnet-5',
          'claude-haiku-5', 'claude-opus-5', 'gemini-3-pro', 'gemini-3-flash', 'mistral-large'][m + 1]
        WHEN 'tool' THEN ['search', 'crm.read', 'crm.write', 'sql', 'send_mail', 'fetch', 'score',
          'ledger.post'][(flow + k * 3 + h % 3) % 8 + 1]
        ELSE 'remote-' || (flow % 4) END AS name,
      CASE WHEN p IN (1, 2) AND r % 11 = 3 THEN 'error' WHEN h // 1000 % 300 = 1 THEN 'error'
        WHEN h // 1000 % 1500 = 2 THEN 'cut' WHEN h // 1000 % 3000 = 3 THEN 'cancelled'
        WHEN h // 1000 % 20000 = 4 THEN 'expired' WHEN h // 1000 % 120 = 5 AND kind = 'tool' THEN 'denied'
        WHEN h // 1000 % 700 = 6 AND kind = 'model' THEN 'over_budget' ELSE 'ok' END AS status
    FROM (SELECT s.*, n.* EXCLUDE (r), CAST((flow + k + draw(s.r, k) % 2) % 12 AS INTEGER) AS m
      FROM (SELECT *, draw(r, i) AS h, draw(r, i) % 100 // 5 AS p, i // 3 % 4 AS k,
          CASE WHEN draw(r, i, 'k') % 40 = 0 THEN 'agent' WHEN i % 2 = 0 THEN 'model' ELSE 'tool' END AS kind FROM spine
        WHERE seq > {since} AND seq <= {upto}) AS s
      JOIN named AS n ON n.r = s.r)
  )
) ORDER BY seq;

-- name: calls
INSERT INTO books.calls
SELECT p.*, coalesce(c.cause, '') FROM part AS p
LEFT JOIN (SELECT seq, {masked error} AS cause FROM part WHERE error <> '') AS c ON c.seq = p.seq ORDER BY p.seq;

-- name: texts
INSERT INTO books.texts
SELECT seq, call, run, started, '', 0,
  [lower(to_hex(draw(seq, 1))) || lower(to_hex(draw(seq, 2))), lower(to_hex(draw(run, 1))) || lower(to_hex(draw(run, 2)))],
  [lower(to_hex(draw(seq, 3))) || lower(to_hex(draw(seq, 4)))], ''
FROM books.calls WHERE kind = 'model' AND seq > {since} AND seq <= {upto};

-- name: decisions
INSERT INTO books.decisions
SELECT seq, ended, call, run, customer, workflow, agent, kind, name, CASE kind WHEN 'tool' THEN 'tool' ELSE 'model' END,
  CASE WHEN action <> 'allow' THEN action WHEN draw(call) % 3 = 0 THEN 'deny' ELSE 'note' END,
  CASE WHEN rule <> '' THEN rule ELSE 'rule-' || (draw(call) % 40) END, 'policy-' || CASE WHEN rule <> '' THEN length(rule) % 5 ELSE draw(call) % 40 % 5 END,
  CASE WHEN because <> '' THEN because ELSE 'Amount of ' || draw(call) % 5000 || ' in ' || workflow || ' is above 1000' END,
  'policies/' || workflow || '.yaml:' || draw(call) % 90, CASE kind WHEN 'tool' THEN name ELSE '' END,
  CASE action WHEN 'redact' THEN 'email x' || (1 + draw(call) % 4) ELSE '' END,
  action = 'allow' AND draw(call) % 3 = 0, draw(call) % 5000 = 0, policy, tenant, false
FROM books.calls WHERE seq > {since} AND seq <= {upto} AND (action <> 'allow' OR draw(call) % 9 = 0);

-- name: models
CREATE OR REPLACE TEMP TABLE models AS
SELECT run, string_agg(model, chr(10) ORDER BY model) AS models
FROM (SELECT DISTINCT run, model FROM books.calls WHERE model <> '') GROUP BY run;

-- name: run_sums
CREATE OR REPLACE TEMP TABLE run_sums AS
SELECT run, max(seq) AS last, max(ended) AS latest, min(started) AS started, count(*) AS calls,
  count(*) FILTER (status IN ('error', 'cut', 'cancelled', 'expired')) AS failed,
  count(*) FILTER (status IN ('denied', 'over_budget')) AS refused, count(*) FILTER (action = 'redact') AS redacted,
  count(*) FILTER (estimated) AS estimated, count(*) FILTER (unpriced) AS unpriced, CAST(sum(input) AS BIGINT) AS input,
  CAST(sum(output) AS BIGINT) AS output, arg_min(error, seq) FILTER (error <> '') AS first_error,
  arg_min(because, seq) FILTER (because <> '') AS refusal, arg_min(currency, seq) FILTER (currency <> '') AS currency,
  coalesce(sum(cost) FILTER (currency = 'USD'), 0) AS usd, coalesce(sum(cost) FILTER (currency = 'EUR'), 0) AS eur
FROM books.calls GROUP BY run;

-- name: runs
-- The last runs are still open; of the others some failed, one in a hundred for a reason of its own.
INSERT INTO books.runs
SELECT row_number() OVER (ORDER BY n.began), s.last, CASE WHEN h % 71 = 1 THEN s.last + 1 END, run, tenant, customer, "user", workflow,
  'agent-' || ((flow * 3) % 40), 'key-' || (r % 24), '', '', '', true,
  CASE WHEN under_way THEN 'open' WHEN own OR s.failed > 3 THEN 'error' ELSE 'ok' END,
  CASE WHEN under_way THEN '' WHEN own THEN told WHEN s.failed > 3 THEN s.first_error ELSE '' END,
  coalesce(s.first_error, ''), make_timestamptz(began), s.latest,
  CASE WHEN NOT under_way THEN s.latest + INTERVAL 1 SECOND END, s.calls, s.failed, s.refused,
  s.redacted, s.estimated, s.unpriced, 0, s.input, s.output,
  CASE s.currency WHEN 'USD' THEN s.usd WHEN 'EUR' THEN s.eur ELSE 0 END, coalesce(s.currency, ''),
  CASE WHEN h % 4 = 0 THEN 5 END, CASE WHEN h % 4 = 0 THEN n.currency ELSE '' END,
  CASE WHEN under_way THEN '' WHEN own THEN {masked told} WHEN s.failed > 3 THEN {masked s.first_error} ELSE '' END,
  coalesce(s.refusal, ''), array_to_string(list_sort(list_transform(range(4),
    lambda k: 'agent-' || ((flow * 3 + k) % 40))), chr(10)), coalesce(m.models, '')
FROM (SELECT *, draw(r, 'end') AS h, draw(r, 'end') % 101 = 2 AS own,
    'KeyError: "case ' || r || '" in ' || workflow AS told, x > 0.9995 OR draw(r, 'end') % 71 = 1 AS under_way
  FROM named) AS n
JOIN run_sums AS s USING (run) LEFT JOIN models AS m USING (run) ORDER BY n.began;

-- name: other_costs
INSERT INTO books.other_costs
SELECT run, currency, cost FROM (
  SELECT r.run, unnest(['EUR', 'USD']) AS currency, unnest([s.eur, s.usd]) AS cost, r.currency AS own
  FROM books.runs AS r JOIN run_sums AS s USING (run)) WHERE currency <> own AND cost > 0 ORDER BY run, currency;

-- name: open_calls
INSERT INTO books.open_calls
SELECT {calls} + row_number() OVER (ORDER BY began), left(run, 16) || 'f' || substr(run, 18), run, run, 'model', 'gpt-5',
  'openai_chat', tenant, customer, "user", workflow, 'agent-' || ((flow * 3) % 40), 'key-1', '0123456789abcdef',
  make_timestamptz({until} - r % 90 * 1000000), true, 0.5, currency, 'genai-prices-0.2.3@2026-01-01'
FROM named WHERE x > 0.999 ORDER BY began DESC LIMIT 60;

-- name: claims
INSERT INTO books.claims
SELECT s.last, left(run, 16) || 'c' || substr(run, 18), s.latest, run, tenant, customer, workflow,
  'agent-' || ((flow * 3) % 40), workflow || '.done', 'case-' || r, 1, '', 'allow', ''
FROM named JOIN run_sums AS s USING (run) WHERE draw(r, 'claim') % 5 = 0 ORDER BY s.last;

-- name: events
INSERT INTO books.events
SELECT seq, ended, CASE WHEN draw(call) % 3 = 0 THEN 'guard.failed' ELSE 'ask' END, run, call, customer, workflow, agent,
  'rule-' || (draw(call) % 40), 'A person would have been asked', tenant
FROM books.calls WHERE seq > {since} AND seq <= {upto} AND draw(call) % 4001 = 0;

-- name: policies
INSERT INTO books.policies VALUES (1, '0123456789abcdef', make_timestamptz({until} - {span} * 86400000000), 40,
  'policies/all.yaml', 'd1', 'policy: all');
