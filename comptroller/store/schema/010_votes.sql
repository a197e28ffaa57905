-- What each judge of a judged rule said of a call: a word a vote, and never the reason it gave.

CREATE TABLE votes (
  seq BIGINT, happened TIMESTAMPTZ, call VARCHAR, run VARCHAR, tenant VARCHAR, customer VARCHAR, stage VARCHAR,
  rule VARCHAR, judge VARCHAR, vote VARCHAR
);
