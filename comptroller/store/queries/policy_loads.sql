-- When which version was loaded, the earliest first: a version is in force until another is loaded.
SELECT version, happened, min(seq) AS seq FROM policies
WHERE $until::VARCHAR IS NULL OR happened < $until::VARCHAR::TIMESTAMPTZ
GROUP BY version, happened ORDER BY seq
