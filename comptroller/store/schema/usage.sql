-- From a batch of usage events to rows: run by `usage.py` in the transaction of the slice that names the batch.
-- What stands in braces is made for the columns a file has.

-- name: named
-- The batches that the records of this slice name, each once.
SELECT seq, id, epoch_us(happened) AS received, tenant, source, name, digest, path, rows FROM named
WHERE id NOT IN (SELECT batch FROM books.usage_batches)
QUALIFY row_number() OVER (PARTITION BY id ORDER BY seq) = 1 ORDER BY seq;

-- name: columns
DESCRIBE SELECT * FROM read_parquet($file);

-- name: keys
-- Compared before anything is written: rows that have to leave again would cost more than reading the file twice.
CREATE OR REPLACE TEMP TABLE keys AS
SELECT line, hash(tenant, source, event) AS "key"
FROM (SELECT {typed} FROM read_parquet($file, file_row_number = true) AS g) WHERE ({flaw}) IS NULL;

-- name: usable
SELECT count(*) FROM keys;

-- name: events
INSERT INTO books.usage_events
SELECT $seq, line, hash(tenant, source, event), {kind}, tenant, source, event, customer, meter,
  coalesce(quantity, 0), happened
FROM (SELECT {typed} FROM read_parquet($file, file_row_number = true) AS g)
WHERE ({flaw}) IS NULL AND line NOT IN (SELECT line FROM extra);

-- name: amends
INSERT INTO books.usage_amends
SELECT $seq, line, hash(tenant, source, amends), {kind}, coalesce(quantity, 0)
FROM (SELECT {typed} FROM read_parquet($file, file_row_number = true) AS g)
WHERE line IN (SELECT line FROM books.usage_events WHERE seq = $seq AND kind > 0);

-- name: flawed
INSERT INTO books.usage_waiting
SELECT $seq, t.line, t.flaw, t.tenant, t.source, t.event, t.customer, t.meter, t.told_quantity, t.told_time, t.kind, t.amends, NULL, NULL
FROM (SELECT *, ({flaw}) AS flaw FROM (SELECT {typed}, {told} FROM read_parquet($file, file_row_number = true) AS g)) AS t
WHERE t.flaw IS NOT NULL;

-- name: again
-- Keys that came more than once, in this batch or with an earlier one.
CREATE OR REPLACE TEMP TABLE again AS
SELECT "key" FROM keys GROUP BY "key" HAVING count(*) > 1
UNION
SELECT "key" FROM keys SEMI JOIN books.usage_events AS o USING ("key");

-- name: alike
-- Whatever shares a key, of this batch and of those before it.
CREATE OR REPLACE TEMP TABLE alike AS
SELECT e.*, coalesce(m.target, 0) AS target, '' AS amends
FROM books.usage_events AS e LEFT JOIN books.usage_amends AS m ON m.seq = e.seq AND m.line = e.line
WHERE e."key" IN (SELECT "key" FROM again)
UNION ALL
SELECT $seq, line, hash(tenant, source, event), {kind}, tenant, source, event, customer, meter, coalesce(quantity, 0),
  happened, CASE kind WHEN 'usage' THEN 0 ELSE hash(tenant, source, amends) END, amends
FROM (SELECT {typed} FROM read_parquet($file, file_row_number = true) AS g)
WHERE line IN (SELECT line FROM keys WHERE "key" IN (SELECT "key" FROM again));

-- name: extra
-- Of events told more than once all but the first, and whether they say something else than the first does. Texts
-- decide: two keys may agree where the events differ.
CREATE OR REPLACE TEMP TABLE extra AS
SELECT * FROM (
  SELECT *, first_value(seq) OVER w AS first_seq, first_value(line) OVER w AS first_line,
    (customer, meter, quantity, happened, kind, target) IS DISTINCT FROM
      (first_value(customer) OVER w, first_value(meter) OVER w, first_value(quantity) OVER w,
       first_value(happened) OVER w, first_value(kind) OVER w, first_value(target) OVER w) AS other
  FROM alike WINDOW w AS (PARTITION BY tenant, source, event ORDER BY seq, line)
) WHERE seq = $seq AND (seq, line) <> (first_seq, first_line);

-- name: conflicts
INSERT INTO books.usage_waiting
SELECT seq, line, 'conflict', tenant, source, event, customer, meter,
  CAST(quantity AS VARCHAR), strftime(happened AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ'),
  ['usage', 'amend', 'cancel'][kind + 1], amends, first_seq, first_line
FROM extra WHERE other ORDER BY line;

-- name: batch
INSERT INTO books.usage_batches VALUES ($seq, $batch, make_timestamptz($received), $tenant, $source, $name, $digest,
  $path, $rows, $state,
  (SELECT count(*) FROM books.usage_events WHERE seq = $seq),
  (SELECT count(*) FROM extra WHERE seq = $seq AND NOT other),
  (SELECT count(*) FROM books.usage_waiting WHERE seq = $seq));

-- name: engine
SELECT v.version, (SELECT max(version) FROM books.usage_engine) FROM (SELECT version() AS version) AS v;

-- name: engine_was
DELETE FROM books.usage_engine;

-- name: engine_is
INSERT INTO books.usage_engine SELECT version();
