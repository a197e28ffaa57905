-- What somebody else's question may be about: views over the rows of one tenant, made for each question anew.
-- `{mine}` becomes the condition that says whose rows these are, `{owed}` that of money, which is a customer's and
-- never of one user or workflow: who sees those alone sees none of it. A later view may name an earlier one.

-- name: runs
SELECT run, tenant, customer, "user", workflow, agent, "key", parent, outer_run, trace,
  CASE WHEN status = 'open' AND lost > last THEN 'abandoned' ELSE status END AS status,
  error, first_error, started, latest, ended, calls, failed, refused, redacted, estimated, unpriced, opaque,
  input, output, cost, currency, budget, budget_currency
FROM books.runs WHERE {mine}

-- name: calls
SELECT * EXCLUDE (seq) FROM books.calls WHERE {mine}

-- name: open_calls
SELECT * EXCLUDE (seq) FROM books.open_calls WHERE {mine}

-- name: other_costs
SELECT * FROM books.other_costs WHERE run IN (SELECT run FROM temp.runs)

-- name: agents
SELECT * EXCLUDE (seq) FROM books.agents WHERE run IN (SELECT run FROM temp.runs)

-- name: decisions
SELECT * EXCLUDE (seq, again) FROM books.decisions WHERE NOT again AND call IN (SELECT call FROM temp.calls)

-- name: claims
SELECT * EXCLUDE (seq) FROM books.claims WHERE run IN (SELECT run FROM temp.runs)

-- name: costs_daily
SELECT CAST(ended AS DATE) AS day, agent, model, customer, workflow, currency, count(*) AS calls,
  count(*) FILTER (status IN ('error', 'cut', 'cancelled', 'expired')) AS failed,
  CAST(sum(input) AS BIGINT) AS input, CAST(sum(output) AS BIGINT) AS output,
  CAST(sum(cache_read) AS BIGINT) AS cache_read, sum(cost) AS cost,
  count(*) FILTER (cached <> '') AS cached, sum(saved) AS saved
FROM temp.calls GROUP BY ALL

-- name: outcome_events
SELECT * EXCLUDE (seq) FROM books.outcome_events WHERE outcome IN (SELECT claim FROM temp.claims)

-- name: txns
SELECT * EXCLUDE (seq) FROM books.txns WHERE {owed}

-- name: postings
SELECT * EXCLUDE (seq) FROM books.postings WHERE {owed}

-- name: invoices
SELECT * EXCLUDE (seq) FROM books.invoices WHERE {owed}

-- name: invoice_lines
SELECT * EXCLUDE (seq) FROM books.invoice_lines WHERE {owed}

-- name: invoice_events
SELECT * EXCLUDE (seq) FROM books.invoice_events WHERE invoice IN (SELECT invoice FROM temp.invoices)
