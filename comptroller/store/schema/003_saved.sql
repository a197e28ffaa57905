-- Calls answered out of the cache: whose reply it was, and what it would have cost.

ALTER TABLE calls ADD COLUMN cached VARCHAR;
ALTER TABLE calls ADD COLUMN saved DECIMAL(38,9);
ALTER TABLE costs_daily ADD COLUMN cached BIGINT;
ALTER TABLE costs_daily ADD COLUMN saved DECIMAL(38,9);
