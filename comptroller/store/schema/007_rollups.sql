-- What the console reads: sums kept as facts arrive, so that no page has to read every call.
-- Names in a list stand one a line: a text is changed in place where a list would be written anew.

ALTER TABLE calls ADD COLUMN cause VARCHAR;  -- why it failed, its error with everything masked that changes each time
ALTER TABLE runs ADD COLUMN cause VARCHAR;  -- the same of what ended the run itself
ALTER TABLE runs ADD COLUMN refusal VARCHAR;  -- why its first refused call was refused
ALTER TABLE runs ADD COLUMN agents VARCHAR;
ALTER TABLE runs ADD COLUMN models VARCHAR;
ALTER TABLE agents ADD COLUMN tenant VARCHAR;
ALTER TABLE agents ADD COLUMN caller VARCHAR;  -- the agent in whose span or call it was opened
ALTER TABLE decisions ADD COLUMN tenant VARCHAR;
ALTER TABLE events ADD COLUMN tenant VARCHAR;
ALTER TABLE costs_daily ADD COLUMN tenant VARCHAR;
ALTER TABLE costs_daily ADD COLUMN kind VARCHAR;
ALTER TABLE costs_daily ADD COLUMN name VARCHAR;
ALTER TABLE costs_daily ADD COLUMN refused BIGINT;
ALTER TABLE costs_daily ADD COLUMN took_us HUGEINT;

CREATE TABLE calls_hourly (
  hour TIMESTAMPTZ, tenant VARCHAR, customer VARCHAR, workflow VARCHAR, currency VARCHAR, calls BIGINT, failed BIGINT,
  refused BIGINT, redacted BIGINT, cached BIGINT, unpriced BIGINT, overruns BIGINT, input BIGINT, output BIGINT,
  cost DECIMAL(38,9), saved DECIMAL(38,9)
);

-- Runs by the hour they began in; what is neither ok, failed nor abandoned is open.
CREATE TABLE runs_hourly (
  hour TIMESTAMPTZ, tenant VARCHAR, customer VARCHAR, workflow VARCHAR, runs BIGINT, ok BIGINT, failed BIGINT,
  abandoned BIGINT
);

CREATE OR REPLACE VIEW run_states AS
SELECT run, make_timestamptz(epoch_us(started) // 3600000000 * 3600000000) AS hour, tenant, customer, workflow,
  CASE WHEN status = 'open' THEN CASE WHEN lost > last THEN 'abandoned' ELSE 'open' END
    WHEN status = 'ok' THEN 'ok' ELSE 'failed' END AS state
FROM runs;

CREATE TABLE causes_daily (
  day DATE, tenant VARCHAR, customer VARCHAR, workflow VARCHAR, agent VARCHAR, kind VARCHAR, name VARCHAR,
  status VARCHAR, cause VARCHAR, currency VARCHAR, calls BIGINT, cost DECIMAL(38,9), first TIMESTAMPTZ,
  latest TIMESTAMPTZ, last BIGINT, last_run VARCHAR
);

CREATE TABLE decisions_daily (
  day DATE, tenant VARCHAR, customer VARCHAR, workflow VARCHAR, stage VARCHAR, policy VARCHAR, rule VARCHAR,
  action VARCHAR, shadow BOOLEAN, decisions BIGINT, errors BIGINT, latest TIMESTAMPTZ
);

-- Which agent opened which.
CREATE TABLE delegations_daily (
  day DATE, tenant VARCHAR, customer VARCHAR, workflow VARCHAR, caller VARCHAR, agent VARCHAR, opened BIGINT,
  failed BIGINT
);
