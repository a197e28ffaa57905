"""Commands that measure; each prints a table against the same work ungoverned, or against a peer."""
