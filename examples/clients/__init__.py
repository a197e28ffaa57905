"""Agents in other people's SDKs and frameworks, unchanged, through the gateway: `python -m examples.clients`."""
