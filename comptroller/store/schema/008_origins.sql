-- Where each argument of a tool call came from: its worst label, its sources in order, and the tools these are of.
-- One row for an argument; only where a policy asked. Names and ids of sources, never what they said.

CREATE TABLE origins (
  seq BIGINT, happened TIMESTAMPTZ, call VARCHAR, run VARCHAR, tenant VARCHAR, customer VARCHAR, tool VARCHAR,
  arg VARCHAR, label VARCHAR, sources VARCHAR[], tools VARCHAR[]
);
