"""The console: pages for compliance, finance and engineers over one ledger. A process of its own; see `serving`."""
