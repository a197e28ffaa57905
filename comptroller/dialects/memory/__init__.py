"""How vector stores and agent memories are written and read over HTTP: one module for each."""
