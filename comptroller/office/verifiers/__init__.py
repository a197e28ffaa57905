"""Verifiers: what looks at a claim and says whether it is true."""
