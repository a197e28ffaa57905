-- The agents of runs, with the scopes each was opened with and what it was opened in.
SELECT span, parent, scopes FROM agents WHERE $run::VARCHAR IS NULL OR run = $run::VARCHAR
