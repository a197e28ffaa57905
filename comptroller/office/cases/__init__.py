"""Pricing cases: prices with usage and the amount they should come to, read from files and tried."""
