-- How many rows each table of the books has: of all tenants, so only for who may see them all.
SELECT table_name AS name, estimated_size::BIGINT AS rows FROM duckdb_tables()
WHERE database_name = 'books' AND $tenant::VARCHAR IS NULL AND $customer::VARCHAR IS NULL ORDER BY name
