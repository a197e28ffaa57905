-- What a run's calls cost, by currency.
SELECT currency, sum(cost) AS cost FROM calls WHERE run = $run::VARCHAR AND cost > 0 GROUP BY currency ORDER BY currency
