"""The history that gaming is looked for in, out of a ledger: registry, books and the contracts on record."""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from comptroller.core.facts import CONTRACTS_LOADED, Fact
from comptroller.core.mistakes import FileErrors
from comptroller.metering.contract_reader import read_contracts
from comptroller.office.fraud.history import History, Loaded, Runs
from comptroller.office.outcomes import Registry


class Answers(Protocol):
    """Whoever answers named queries."""

    def rows(self, name: str, **params: object) -> list[dict[str, Any]]: ...


def history_of(registry: Registry, books: Answers | None, facts: Iterable[Fact], tenant: str = "default") -> History:
    """Everything there is to look at; `facts` are those that loaded contracts."""
    outcomes = list(registry.outcomes.values())
    rows = books.rows("run_days") if books is not None else []
    return History(
        outcomes=outcomes,
        entries={one.key: registry.events(one.key) for one in outcomes},
        runs=[Runs(row["tenant"], row["customer"], row["workflow"], int(row["day"]), int(row["runs"])) for row in rows],
        contracts=list(_loaded(facts, tenant)),
        now=registry.desk.clock.now_ns(),
    )


def _loaded(facts: Iterable[Fact], tenant: str) -> Iterator[Loaded]:
    """Every version of every contract, by when it was first on record."""
    known: set[tuple[str, str, str]] = set()
    for fact in facts:
        if fact.kind != CONTRACTS_LOADED:
            continue
        files: Any = fact.data.get("files") or ()
        try:
            book = read_contracts([(str(file["path"]), str(file["text"])) for file in files], tenant)
        except FileErrors:
            continue  # written by a version that read contracts otherwise: nothing can be said of it
        for contract in book:
            name = (contract.tenant, contract.customer, contract.version)
            if name not in known:
                known.add(name)
                yield Loaded(*name[:2], contract.id, contract.version, contract.start, fact.at, contract.place)
