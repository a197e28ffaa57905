"""A recount pack: all that a buyer needs to draw up an invoice anew, signed, and none of what concerns others.

It holds the invoice, the customer's contracts, the journal's own records of its outcomes, its earlier invoices and,
where the contract asks for them, its calls; the proof that these records are part of the journal; the receipts; and
commitments to the evidence, which is itself added only when asked for.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import msgspec

from comptroller.core.errors import SettingsError
from comptroller.core.facts import CALL_CLOSED, CALL_OPENED, HOLD_EXPIRED, INVOICE, OUTCOME, RECEIPT, Fact
from comptroller.core.jws import canonical
from comptroller.core.source import read_source
from comptroller.metering.contract_reader import read_contracts
from comptroller.metering.periods import period_named
from comptroller.office import commitments, inclusion, parcel
from comptroller.office.gather import LATE
from comptroller.office.signing import Signer
from comptroller.store import segment

FORM = "comptroller recount 1"
DOCUMENT, CONTRACTS, RECORDS, PROOF = "invoice.json", "contracts.json", "records.ndjson", "proof.json"
EVIDENCE, USAGE, RATES = "evidence.ndjson", "usage.ndjson", "rates.json"
_KIND = re.compile(rb'\{"n":(\d+),"k":"([a-z.]+)"')
_BOOKS = {OUTCOME.encode(), INVOICE.encode(), RECEIPT.encode()}
_CALLS = {CALL_CLOSED.encode(), CALL_OPENED.encode(), HOLD_EXPIRED.encode()}


class Ledger(Protocol):
    """What packing needs of a ledger."""

    def digest(self, data: bytes) -> str: ...
    def fetch(self, digest: str) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to pack, and from what."""

    invoice: str  # number
    lines: Callable[[], Iterable[bytes]]  # of the journal, whole, without their line ends; read more than once
    contracts: Sequence[tuple[str, str | bytes]]  # files of contracts: name and text
    ledger: Ledger
    rates: Mapping[str, str] = field(default_factory=dict)  # `fx` of the settings
    usage: Sequence[Mapping[str, object]] = ()  # usage events of the customer that count
    calls: bool = True
    evidence: bool = False  # the texts themselves


def pack(wanted: Wanted, signer: Signer, ledger_id: str, now_ns: int) -> bytes:
    """The pack of one invoice; SettingsError where there is no such invoice."""
    journal = _Journal(wanted.lines())
    told = _Told(wanted, journal.books)
    chosen = dict(sorted({**told.records(), **(told.calls() if wanted.calls and told.asks else {})}.items()))
    tree = inclusion.Tree(journal.leaves)
    files = {
        DOCUMENT: canonical(told.document),
        CONTRACTS: canonical({"contracts": told.terms}),
        RECORDS: _rows(chosen.values()),
        PROOF: canonical({"records": [index + 1 for index in chosen], "path": _hex(tree.proof(chosen))}),
        EVIDENCE: _rows(canonical(row) for row in _evidence(told, wanted)),
        USAGE: _rows(canonical(dict(row)) for row in wanted.usage),
        RATES: canonical(dict(wanted.rates)),
    }
    about = {
        "form": FORM,
        "ledger": ledger_id,
        "invoice": wanted.invoice,
        "customer": told.document["customer"],
        "tenant": told.document["tenant"],
        "made": now_ns,
        "calls": wanted.calls or not told.asks,
        "journal": {"records": len(journal.leaves), "head": journal.head, "root": tree.root.hex()},
    }
    return parcel.pack(files, about, signer)


class _Journal:
    """One reading of the journal: the hash of every line, and those lines that tell of the books."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self.leaves: list[bytes] = []
        self.books: dict[int, bytes] = {}
        self.head = ""
        for index, line in enumerate(lines):
            self.leaves.append(inclusion.leaf(line))
            if _kind(line) in _BOOKS:
                self.books[index] = line
            self.head = segment.hash_of(line)


class _Told:
    """What the journal tells of an invoice."""

    def __init__(self, wanted: Wanted, books: Mapping[int, bytes]) -> None:
        self._read, self._books = wanted.lines, books
        self._facts = {index: segment.parse(line).fact() for index, line in books.items()}
        self.until, self.document = self._find(wanted.invoice)
        self.tenant, self.customer = str(self.document["tenant"]), str(self.document["customer"])
        self.terms = [values for values in _written(wanted.contracts) if self._is_mine(values)]
        book = read_contracts([(CONTRACTS, canonical({"contracts": self.terms}))], self.tenant)
        self._contracts = book.of(self.customer, self.tenant)
        newest = self._contracts[-1] if self._contracts else None
        self.asks = newest is not None and bool(
            newest.tokens or newest.premium or any(seats.meters for seats in newest.seats)
        )
        self.outcomes: set[str] = set()

    def _find(self, number: str) -> tuple[int, dict[str, Any]]:
        for index, fact in self._facts.items():
            if fact.kind == INVOICE and fact.data.get("event") == "finalised" and fact.data.get("number") == number:
                return index, cast(dict[str, Any], fact.data["document"])
        raise SettingsError(f"There is no invoice {number!r} here. List them with `comptroller books invoice`.")

    def _is_mine(self, values: Mapping[str, Any]) -> bool:
        return values.get("customer") == self.customer and values.get("tenant", self.tenant) == self.tenant

    def records(self) -> dict[int, bytes]:
        """The records of the customer's outcomes, receipts and invoices, up to this one."""
        return {index: self._books[index] for index in self._mine()}

    def _mine(self) -> Iterator[int]:
        invoices: set[str] = set()
        for index, fact in self._facts.items():
            if fact.kind == RECEIPT:
                if str(fact.data.get("outcome")) in self.outcomes:
                    yield index
                continue
            if index > self.until:
                continue
            said = fact.data
            if fact.kind == OUTCOME:
                known = cast(dict[str, Any], said.get("data") or {})
                if said.get("type") == "claim" and self._whose(known):
                    self.outcomes.add(str(said.get("outcome")))
                if str(said.get("outcome")) in self.outcomes:
                    yield index
            elif self._whose(cast(dict[str, Any], said.get("document") or {})) or said.get("invoice") in invoices:
                invoices.add(str(said.get("invoice")))
                yield index

    def _whose(self, said: Mapping[str, Any]) -> bool:
        return said.get("customer") == self.customer and said.get("tenant") == self.tenant

    def calls(self) -> dict[int, bytes]:
        """The records of the customer's calls in the periods that the invoice looks at."""
        since, until = self._span()
        found: dict[int, bytes] = {}
        opened: dict[str, tuple[int, bytes]] = {}
        for index, line in zip(range(self.until), self._read(), strict=False):
            if _kind(line) not in _CALLS:
                continue
            record = segment.parse(line)
            if record.k == HOLD_EXPIRED:
                if record.c in opened:
                    found[opened[record.c][0]] = opened[record.c][1]
                    found[index] = line
            elif record.d.get("customer") == self.customer and record.d.get("tenant", "default") == self.tenant:
                if record.k == CALL_OPENED:
                    opened[record.c] = (index, line)
                else:
                    opened.pop(record.c, None)
                    if since <= _ended(record.fact()) < until:
                        found[index] = line
        return found

    def _span(self) -> tuple[int, int]:
        calendar = self._contracts[-1].calendar
        labels = [str(self.document["period"])]
        for fact in self._facts.values():
            document = cast(dict[str, Any], fact.data.get("document") or {})
            if fact.kind == INVOICE and self._whose(document):
                labels.append(str(document["period"]))
        periods = sorted({period_named(calendar, label) for label in labels}, key=lambda period: period.start)
        here = period_named(calendar, str(self.document["period"]))
        looked = [period for period in periods if period.start <= here.start][-LATE - 1 :]
        return looked[0].start, here.end


def _evidence(told: _Told, wanted: Wanted) -> Iterator[dict[str, str]]:
    """The evidence of the invoice's outcomes: commitments, and the texts with their salts where they are wanted."""
    seen: set[str] = set()
    for line in told.document["lines"]:
        for item in decode_items(line):
            for digest in item["evidence"]:
                if digest in seen:
                    continue
                seen.add(digest)
                row = commitments.described(wanted.ledger, digest)
                body = wanted.ledger.fetch(digest) if wanted.evidence else None
                if body is not None:
                    row |= {"salt": commitments.salt_of(wanted.ledger, digest), "text": body.decode("utf-8", "replace")}
                yield row


def decode_items(line: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The outcomes of a line as an invoice's document has them."""
    names = ("outcome", "run", "subject", "method", "verified_at", "evidence")
    return [dict(zip(names, row, strict=False)) for row in line["items"]]


def _ended(fact: Fact) -> int:
    ended = fact.data.get("ended")
    return ended if isinstance(ended, int) else fact.at


def _kind(line: bytes) -> bytes:
    match = _KIND.match(line)
    return match[2] if match else b""


def _written(files: Iterable[tuple[str, str | bytes]]) -> Iterator[dict[str, Any]]:
    """Each contract as it is written in its file."""
    for name, text in files:
        values = read_source(name, text).values
        many = values.get("contracts")
        for one in many if isinstance(many, list) else [values]:
            if isinstance(one, dict):
                yield msgspec.json.decode(msgspec.json.encode(one))


def _rows(lines: Iterable[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def _hex(hashes: Iterable[bytes]) -> list[str]:
    return [one.hex() for one in hashes]
