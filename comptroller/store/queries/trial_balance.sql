-- What stands on every account, by customer where one is asked for; the sum is zero in every currency.
SELECT account, currency, sum(amount) AS balance FROM postings
WHERE $customer::VARCHAR IS NULL OR customer = $customer::VARCHAR
GROUP BY account, currency HAVING sum(amount) <> 0 ORDER BY account, currency
