-- The files of one policy version, with the text they had.
SELECT version, happened AS since, rules, path, digest, text FROM policies WHERE version = $version::VARCHAR ORDER BY path
