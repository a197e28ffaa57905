-- What lists can be narrowed by: `what` is tenant, customer, workflow, agent, model, rule, policy or currency.
WITH costs AS (
  SELECT tenant, customer, workflow, agent, model, currency, sum(calls) AS calls FROM costs_daily
  WHERE {only tenant, customer} AND {days day}
  GROUP BY ALL
), named AS (
  SELECT unnest(['tenant', 'customer', 'workflow', 'agent', 'model', 'currency']) AS what,
    unnest([tenant, customer, workflow, agent, model, currency]) AS value, calls FROM costs
  UNION ALL
  SELECT unnest(['rule', 'policy']), unnest([rule, policy]), decisions FROM (
    SELECT rule, policy, sum(decisions) AS decisions FROM decisions_daily
    WHERE {only tenant, customer} AND {days day}
    GROUP BY ALL)
)
SELECT what, value, sum(calls)::BIGINT AS calls FROM named WHERE value <> '' GROUP BY what, value ORDER BY what, value
