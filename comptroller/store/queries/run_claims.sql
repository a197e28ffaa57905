-- Outcomes claimed in one run.
SELECT claim, happened, agent, type, subject, degree, evidence FROM claims
WHERE run = $run::VARCHAR AND {only tenant, customer} ORDER BY seq
