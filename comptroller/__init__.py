"""Comptroller: governance, observability and outcome billing for multi-agent AI systems."""

__version__ = "0.1.0"
