"""Memories through their vendors' own clients: `python -m examples.clients.memories`."""
