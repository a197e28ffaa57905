"""Errands: what others are owed because something happened to an outcome or an invoice: receipts, and letters."""

import os
from pathlib import Path

from comptroller.core.outcome import Outcome, OutcomeEvent
from comptroller.office import receipts, webhooks
from comptroller.office.follower import Follower
from comptroller.office.outcomes import Registry
from comptroller.office.receipts import Drawer
from comptroller.office.signing import Signer
from comptroller.office.webhooks import Courier
from comptroller.wrapper.desk import Desk


class ReceiptClerk:
    """Gives each outcome its receipt once it is verified; those from before it came, too."""

    def __init__(self, desk: Desk, registry: Registry, signer: Signer | None = None) -> None:
        self._desk, self._registry, self._signer = desk, registry, signer
        self._follower = Follower(Path(desk.settings.ledger), receipts.KINDS)
        self._drawer = Drawer()
        self._lacking = {key for key, outcome in registry.outcomes.items() if outcome.verified_at}
        registry.listeners.append(self._heard)

    def work(self) -> int:
        """Sign what is missing; returns how many receipts that were."""
        if not self._lacking:
            return 0
        self._drawer.fold(self._follower.read())
        signer = self._signer = self._signer or Signer.open(Path(self._desk.settings.ledger))
        known = [self._registry.outcomes[key] for key in sorted(self._lacking) if key in self._registry.outcomes]
        issuer = self._desk.settings.tenant
        made = receipts.issue_missing(self._desk.ledger, self._desk.clock, signer, known, self._drawer, issuer)
        self._lacking.clear()
        return len(made)

    def _heard(self, before: Outcome | None, after: Outcome, event: OutcomeEvent) -> None:
        if after.verified_at and not (before and before.verified_at):
            self._lacking.add(after.key)


def courier_of(desk: Desk) -> Courier | None:
    """Who delivers to the hooks of the settings; None where there are none. SettingsError where a secret is missing."""
    hooks = webhooks.hooks_of(desk.settings.webhooks, os.environ)
    if not hooks:
        return None
    follower = Follower(Path(desk.settings.ledger), *webhooks.KINDS)
    return Courier(desk.ledger, desk.clock, hooks, follower.read)
