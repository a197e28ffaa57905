-- Money: what was said of outcomes, transactions with their postings, invoices with their lines, notes and payments.

CREATE TABLE outcome_events (
  seq BIGINT, event VARCHAR, outcome VARCHAR, happened TIMESTAMPTZ, recorded TIMESTAMPTZ, run VARCHAR, type VARCHAR,
  actor VARCHAR, attestor VARCHAR, method VARCHAR, evidence VARCHAR[], state VARCHAR, ignored VARCHAR, data VARCHAR
);

-- One for each (cause, kind): its id is their digest.
CREATE TABLE txns (
  seq BIGINT, txn VARCHAR, cause VARCHAR, kind VARCHAR, happened TIMESTAMPTZ, recorded TIMESTAMPTZ, period VARCHAR,
  tenant VARCHAR, customer VARCHAR, reverses VARCHAR, outcome VARCHAR, invoice VARCHAR, run VARCHAR
);

-- Debit is positive; those of a transaction sum to zero in each currency.
CREATE TABLE postings (
  seq BIGINT, txn VARCHAR, happened TIMESTAMPTZ, period VARCHAR, tenant VARCHAR, customer VARCHAR, account VARCHAR,
  currency VARCHAR, amount DECIMAL(38,9)
);

CREATE TABLE invoices (
  seq BIGINT, number VARCHAR, invoice VARCHAR, tenant VARCHAR, customer VARCHAR, contract VARCHAR, period VARCHAR,
  first DATE, last DATE, issued DATE, due DATE, currency VARCHAR, subtotal DECIMAL(38,9), discount DECIMAL(38,9),
  tax DECIMAL(38,9), credits DECIMAL(38,9), held BIGINT, failed BIGINT, digest VARCHAR
);

CREATE TABLE invoice_lines (
  seq BIGINT, number VARCHAR, line BIGINT, tenant VARCHAR, customer VARCHAR, kind VARCHAR, title VARCHAR, about VARCHAR,
  quantity VARCHAR, unit VARCHAR, currency VARCHAR, amount DECIMAL(38,9), discount DECIMAL(38,9), tax DECIMAL(38,9),
  type VARCHAR, period VARCHAR, price VARCHAR, outcomes BIGINT
);

-- What happened to invoices afterwards: paid, credited, voided, uncollectible. `amount` with tax, where there is one.
CREATE TABLE invoice_events (
  seq BIGINT, event VARCHAR, invoice VARCHAR, happened TIMESTAMPTZ, what VARCHAR, reference VARCHAR, outcome VARCHAR,
  amount DECIMAL(38,9), tax DECIMAL(38,9), because VARCHAR
);
