-- Agents of one run that handed over to another, and why. `call` is the refused one that said so, where there was one.
SELECT happened, call, agent, subject AS "to", text AS because FROM events
WHERE run = $run::VARCHAR AND kind = 'agent.handed_over' AND {only tenant, customer} ORDER BY seq
