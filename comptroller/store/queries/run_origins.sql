-- Where the arguments of tool calls in one run came from.
SELECT call, arg, label, sources, tools FROM origins
WHERE run = $run::VARCHAR AND {only tenant, customer} ORDER BY seq
