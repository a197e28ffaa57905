-- Usage that was metered elsewhere. What else was told of an event lies in the file of its batch, under its line.
-- `key` is the engine's hash of tenant, source and event id: numbers are compared before texts are.

CREATE TABLE usage_batches (
  seq BIGINT, batch VARCHAR, received TIMESTAMPTZ, tenant VARCHAR, source VARCHAR, name VARCHAR, digest VARCHAR,
  path VARCHAR, rows BIGINT, state VARCHAR, counted BIGINT, repeated BIGINT, waiting BIGINT
);

-- `kind` is 0 for usage, 1 for what amends an earlier event, 2 for what cancels one.
CREATE TABLE usage_events (
  seq BIGINT, line BIGINT, "key" UBIGINT, kind TINYINT, tenant VARCHAR, source VARCHAR, event VARCHAR,
  customer VARCHAR, meter VARCHAR, quantity DECIMAL(38,9), happened TIMESTAMPTZ
);

-- What amends or cancels an earlier event, and the key of that event; the last of them holds.
CREATE TABLE usage_amends (seq BIGINT, line BIGINT, target UBIGINT, kind TINYINT, quantity DECIMAL(38,9));

-- Rows that do not count as they are: malformed, or told before with other content. Texts as they came.
CREATE TABLE usage_waiting (
  seq BIGINT, line BIGINT, reason VARCHAR, tenant VARCHAR, source VARCHAR, event VARCHAR, customer VARCHAR,
  meter VARCHAR, quantity VARCHAR, happened VARCHAR, kind VARCHAR, amends VARCHAR,
  first_seq BIGINT, first_line BIGINT
);

-- The engine whose hash the keys are: another version's may differ.
CREATE TABLE usage_engine (version VARCHAR);
