-- How far the books have come: what was read at one sequence is as it was. Nobody's rows, so the bounds bind nothing.
SELECT sequence, chain FROM watermark WHERE $tenant::VARCHAR IS NULL OR $customer::VARCHAR IS NULL OR true
