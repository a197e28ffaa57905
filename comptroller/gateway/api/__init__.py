"""`/api`: the books and the office over HTTP, in a process of its own so that no question slows a call."""
