-- Invoices, the newest first, with what came in for them and was credited.
SELECT i.number, i.tenant, i.customer, i.contract, i.period, i.issued, i.due, i.currency,
  i.subtotal - i.discount AS net, i.tax, i.subtotal - i.discount + i.tax - i.credits AS payable,
  coalesce(sum(e.amount) FILTER (e.what = 'paid'), 0) AS paid,
  coalesce(sum(e.amount) FILTER (e.what = 'credited'), 0) AS credited,
  coalesce(bool_or(e.what = 'voided'), false) AS voided
FROM invoices AS i LEFT JOIN invoice_events AS e ON e.invoice = i.invoice AND e.seq > i.seq
WHERE $customer::VARCHAR IS NULL OR i.customer = $customer::VARCHAR
GROUP BY ALL ORDER BY any_value(i.seq) DESC LIMIT coalesce($limit::BIGINT, 1000)
