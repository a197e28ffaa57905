-- The books: every table is a reading of the journal and is made anew from it by a rebuild.
-- No index, no primary key, no UNIQUE: rows lie in the order they arrived, and zone maps over time and ids find them
-- (an index lookup after a crash returned nothing for rows that exist, on DuckDB 1.5.5 and 1.5.6).

CREATE TABLE watermark (segment INTEGER, byte_offset BIGINT, sequence BIGINT, chain VARCHAR);

-- One row per call that ended. `seq` is the sequence number of the record that told us.
CREATE TABLE calls (
  seq BIGINT, call VARCHAR, run VARCHAR, parent VARCHAR, kind VARCHAR, name VARCHAR, model VARCHAR, dialect VARCHAR,
  tenant VARCHAR, customer VARCHAR, "user" VARCHAR, workflow VARCHAR, agent VARCHAR, "key" VARCHAR,
  status VARCHAR, action VARCHAR, rule VARCHAR, because VARCHAR, policy VARCHAR, place VARCHAR, error VARCHAR,
  started TIMESTAMPTZ, first TIMESTAMPTZ, ended TIMESTAMPTZ, stream BOOLEAN, attempt INTEGER,
  input BIGINT, output BIGINT, cache_read BIGINT, cache_write BIGINT, reasoning BIGINT,
  cost DECIMAL(38,9), worst DECIMAL(38,9), currency VARCHAR, price VARCHAR,
  estimated BOOLEAN, unpriced BOOLEAN, overrun DECIMAL(38,9), opaque BOOLEAN,
  effect VARCHAR, tool_call VARCHAR, upstream_status INTEGER, upstream_id VARCHAR
);

-- Calls that were opened and have not ended; a row leaves when its end arrives.
CREATE TABLE open_calls (
  seq BIGINT, call VARCHAR, run VARCHAR, parent VARCHAR, kind VARCHAR, name VARCHAR, dialect VARCHAR,
  tenant VARCHAR, customer VARCHAR, "user" VARCHAR, workflow VARCHAR, agent VARCHAR, "key" VARCHAR,
  policy VARCHAR, started TIMESTAMPTZ, stream BOOLEAN, worst DECIMAL(38,9), currency VARCHAR, price VARCHAR
);

-- Digests of what was said; the texts themselves lie encrypted in the vault. A request begins with the first
-- `after_count` messages of the call `after_call`, and goes on with those of its own.
CREATE TABLE texts (
  seq BIGINT, call VARCHAR, run VARCHAR, started TIMESTAMPTZ, after_call VARCHAR, after_count INTEGER,
  request VARCHAR[], reply VARCHAR[], args VARCHAR
);

-- `last` is the record with its latest own sign of life, `lost` the latest that told that its process was gone.
CREATE TABLE runs (
  seq BIGINT, last BIGINT, lost BIGINT, run VARCHAR, tenant VARCHAR, customer VARCHAR, "user" VARCHAR, workflow VARCHAR, agent VARCHAR,
  "key" VARCHAR, parent VARCHAR, outer_run VARCHAR, trace VARCHAR, declared BOOLEAN, status VARCHAR, error VARCHAR,
  first_error VARCHAR, started TIMESTAMPTZ, latest TIMESTAMPTZ, ended TIMESTAMPTZ,
  calls BIGINT, failed BIGINT, refused BIGINT, redacted BIGINT, estimated BIGINT, unpriced BIGINT, opaque BIGINT,
  input BIGINT, output BIGINT, cost DECIMAL(38,9), currency VARCHAR, budget DECIMAL(38,9), budget_currency VARCHAR
);

-- What a run cost in currencies other than its own: sums never mix.
CREATE TABLE other_costs (run VARCHAR, currency VARCHAR, cost DECIMAL(38,9));

CREATE TABLE agents (
  seq BIGINT, span VARCHAR, run VARCHAR, parent VARCHAR, agent VARCHAR, customer VARCHAR, workflow VARCHAR,
  scopes VARCHAR[], started TIMESTAMPTZ, ended TIMESTAMPTZ, status VARCHAR, action VARCHAR, rule VARCHAR,
  because VARCHAR
);

CREATE TABLE decisions (
  seq BIGINT, happened TIMESTAMPTZ, call VARCHAR, run VARCHAR, customer VARCHAR, workflow VARCHAR, agent VARCHAR,
  kind VARCHAR, name VARCHAR, stage VARCHAR, action VARCHAR, rule VARCHAR, policy VARCHAR, because VARCHAR,
  place VARCHAR, tool VARCHAR, findings VARCHAR, shadow BOOLEAN, error BOOLEAN, version VARCHAR
);

CREATE TABLE claims (
  seq BIGINT, claim VARCHAR, happened TIMESTAMPTZ, run VARCHAR, tenant VARCHAR, customer VARCHAR, workflow VARCHAR,
  agent VARCHAR, type VARCHAR, subject VARCHAR, degree DECIMAL(18,9), evidence VARCHAR, action VARCHAR, rule VARCHAR
);

CREATE TABLE costs_daily (
  day DATE, agent VARCHAR, model VARCHAR, customer VARCHAR, workflow VARCHAR, currency VARCHAR,
  calls BIGINT, failed BIGINT, input BIGINT, output BIGINT, cache_read BIGINT, cost DECIMAL(38,9)
);

CREATE TABLE policies (
  seq BIGINT, version VARCHAR, happened TIMESTAMPTZ, rules BIGINT, path VARCHAR, digest VARCHAR, text VARCHAR
);

-- The rest of what happened: asked for approval, guard failed, hold expired, ledger opened.
CREATE TABLE events (
  seq BIGINT, happened TIMESTAMPTZ, kind VARCHAR, run VARCHAR, call VARCHAR, customer VARCHAR, workflow VARCHAR,
  agent VARCHAR, subject VARCHAR, text VARCHAR
);
