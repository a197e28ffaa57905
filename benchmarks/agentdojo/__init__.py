"""How the policies beside this file do on the tasks of AgentDojo: `python -m benchmarks.agentdojo`."""
