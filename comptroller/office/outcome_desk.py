"""The office's desk for outcomes: types, contracts, registry, examiner and books, joined as the settings say."""

import threading
from collections.abc import Callable

from comptroller.core.outcome import Outcome
from comptroller.office.agreements import Agreements, load_contracts
from comptroller.office.books import Books
from comptroller.office.examiner import Examiner
from comptroller.office.outcomes import Registry
from comptroller.office.verifiers.panel import Panel
from comptroller.office.work import run_costs
from comptroller.wrapper.desk import Desk


class OutcomeDesk:
    """One for each process that works on outcomes. Thread-safe.

    The books are opened when a type asks for what only they know, and not before.
    """

    def __init__(self, desk: Desk, books: Callable[[], Books] | None = None) -> None:
        settings = desk.settings
        agreed = Agreements(load_contracts(settings.contracts, settings.tenant))
        self.registry = Registry(desk, agreed=agreed)
        panel = Panel(self.registry.types)
        opened = books() if books and (panel.needs_books or agreed.needs_costs) else None
        if opened is not None and agreed.needs_costs:
            agreed.costs = run_costs(opened, desk.fx)
        self.examiner = Examiner(self.registry, panel, opened)
        self._turn, self._asking = threading.Lock(), threading.Lock()

    def work(self) -> None:
        """Do all there is to do now, and ask systems elsewhere what they know: that may take its time."""
        self.work_here()
        if self._asking.acquire(blocking=False):
            try:
                self.examiner.ask_others()
            finally:
                self._asking.release()
            self.work_here()

    def work_here(self) -> None:
        """Do what waits for nobody elsewhere: so much that whoever asks now is told the truth."""
        with self._turn:
            self.examiner.work_here()

    def meant(self, named: str) -> list[Outcome]:
        """The outcomes whose id is, or begins with, what somebody typed."""
        outcomes = self.registry.outcomes
        if named in outcomes:
            return [outcomes[named]]
        return [outcome for key, outcome in outcomes.items() if named and key.startswith(named)]
