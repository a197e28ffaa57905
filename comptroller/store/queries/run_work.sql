-- Who did what in a run: the cost and the last sign of life of each agent, by currency.
SELECT agent, currency, count(*) AS calls, sum(cost) AS cost, max(ended) AS latest
FROM calls WHERE run = $run::VARCHAR AND agent <> '' GROUP BY agent, currency ORDER BY agent, currency
