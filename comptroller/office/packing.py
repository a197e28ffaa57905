"""Packing an invoice out of a ledger: its journal, the contracts as they were loaded, its usage and its evidence."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

from comptroller.core.errors import SettingsError
from comptroller.core.facts import CONTRACTS_LOADED
from comptroller.metering.invoice import Invoice
from comptroller.office import pack
from comptroller.office.agreements import contract_files
from comptroller.office.pack import Wanted
from comptroller.office.signing import Signer
from comptroller.store import folder, journal, segment
from comptroller.wrapper.desk import Desk


class Answers(Protocol):
    """Whoever answers named queries: the reader of the books."""

    def rows(self, name: str, **params: object) -> list[dict[str, object]]: ...


def pack_of(desk: Desk, books: Answers, invoice: Invoice, calls: bool = True, evidence: bool = False) -> bytes:
    """The recount pack of an invoice, signed with the ledger's key."""
    place = Path(desk.settings.ledger)
    begun, label = journal.begin(place), folder.label(place)
    if begun is None or label is None:
        raise SettingsError(f"{place}: there is no ledger here. Name one with --ledger.")
    lines = [stored for _, stored in journal.walk(place, begun)]
    record = _record_of(lines, invoice)
    usage: Sequence[Mapping[str, object]] = ()
    if any(line.kind == "usage" for line in invoice.lines):
        usage = books.rows("usage_packed", tenant=invoice.tenant, customer=invoice.customer, upto=record)
    wanted = Wanted(
        invoice.number,
        lines,
        _contracts(lines[:record]) or contract_files(desk.settings.contracts),
        desk.ledger,
        {f"{base}/{quote}": str(rate) for (base, quote), rate in desk.fx.items()},
        usage,
        calls,
        evidence,
    )
    return pack.pack(wanted, Signer.open(place), label.id, desk.clock.now_ns())


def _record_of(lines: Sequence[bytes], invoice: Invoice) -> int:
    """The number of the record that finalised it."""
    said = f'"number":"{invoice.number}"'.encode()
    for index, line in enumerate(lines):
        if b'"k":"books.invoice"' in line[:60] and b'"event":"finalised"' in line and said in line:
            return index + 1
    raise SettingsError(f"There is no invoice {invoice.number!r} in the journal of this ledger.")


def _contracts(lines: Sequence[bytes]) -> list[tuple[str, str | bytes]]:
    """The contracts as they were last loaded before a record."""
    kind = f'"k":"{CONTRACTS_LOADED}"'.encode()
    for line in reversed(lines):
        if kind in line[:60]:
            files = cast(list[dict[str, Any]], segment.parse(line).d["files"])
            return [(str(file["path"]), str(file["text"])) for file in files]
    return []
