"""Packing an invoice out of a ledger: its journal, the contracts as they were loaded, its usage and its evidence."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

from comptroller.core.errors import SettingsError
from comptroller.core.facts import CONTRACTS_LOADED, INVOICE
from comptroller.metering.invoice import Invoice
from comptroller.office import pack
from comptroller.office.agreements import contract_files
from comptroller.office.pack import Wanted
from comptroller.office.signing import Signer
from comptroller.store import folder, journal, segment
from comptroller.wrapper.desk import Desk

_LOADED, _INVOICE = (f'"k":"{kind}"'.encode() for kind in (CONTRACTS_LOADED, INVOICE))
_HEAD = 80  # bytes of a record in which its kind stands


class Answers(Protocol):
    """Whoever answers named queries: the reader of the books."""

    def rows(self, name: str, **params: object) -> list[dict[str, object]]: ...


def pack_of(desk: Desk, books: Answers, invoice: Invoice, calls: bool = True, evidence: bool = False) -> bytes:
    """The recount pack of an invoice, signed with the ledger's key."""
    place = Path(desk.settings.ledger)
    begun, label = journal.begin(place), folder.label(place)
    if begun is None or label is None:
        raise SettingsError(f"{place}: there is no ledger here. Name one with --ledger.")

    def lines() -> Iterator[bytes]:
        return (stored for _, stored in journal.walk(place, begun))

    record, contracts = _found(lines(), invoice)
    usage: Sequence[Mapping[str, object]] = ()
    if any(line.kind == "usage" for line in invoice.lines):
        usage = books.rows("usage_packed", tenant=invoice.tenant, customer=invoice.customer, upto=record)
    wanted = Wanted(
        invoice.number,
        lines,
        contracts or contract_files(desk.settings.contracts),
        desk.ledger,
        {f"{base}/{quote}": str(rate) for (base, quote), rate in desk.fx.items()},
        usage,
        calls,
        evidence,
    )
    return pack.pack(wanted, Signer.open(place), label.id, desk.clock.now_ns())


def _found(lines: Iterable[bytes], invoice: Invoice) -> tuple[int, list[tuple[str, str | bytes]]]:
    """The number of the record that finalised it, and the contracts as they were last loaded before it."""
    said, loaded = f'"number":"{invoice.number}"'.encode(), b""
    for number, line in enumerate(lines, 1):
        if _LOADED in line[:_HEAD]:
            loaded = line
        elif _INVOICE in line[:_HEAD] and b'"event":"finalised"' in line and said in line:
            files = cast(list[dict[str, Any]], segment.parse(loaded).d["files"]) if loaded else []
            return number, [(str(file["path"]), str(file["text"])) for file in files]
    raise SettingsError(f"There is no invoice {invoice.number!r} in the journal of this ledger.")
