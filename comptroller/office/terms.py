"""Contracts as people read them: each version with what it says, where it is written, and the text it is written in."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import msgspec

from comptroller.core.source import read_source
from comptroller.metering.contracts import Contract, ContractBook

Standing = Literal["ended", "in_force", "to_come"]


@dataclass(frozen=True, slots=True)
class Written:
    """One version of a contract, beside what its file says."""

    contract: Contract
    standing: Standing
    terms: dict[str, Any]  # as written, without whose it is
    text: str  # of its whole file


def written(book: ContractBook, files: Iterable[tuple[str, bytes]], today: date) -> Iterator[Written]:
    """Every version with its terms, a customer's oldest first."""
    texts = dict(files)
    for contract in book:
        name = contract.place.rpartition(":")[0]
        text = texts.get(name, b"")
        yield Written(
            contract, _standing(contract, today), _terms(name, text, contract), text.decode("utf-8", "replace")
        )


def _standing(contract: Contract, today: date) -> Standing:
    if contract.starts > today:
        return "to_come"
    return "ended" if contract.until is not None and contract.until <= today else "in_force"


def _terms(name: str, text: bytes, contract: Contract) -> dict[str, Any]:
    """What is written of this version, as JSON; empty where the file changed under us."""
    values = read_source(name, text).values if text else {}
    many = values.get("contracts")
    for one in many if isinstance(many, list) else [values]:
        if isinstance(one, dict) and (one.get("customer"), str(one.get("from"))) == (
            contract.customer,
            contract.starts.isoformat(),
        ):
            plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(one))
            return plain
    return {}
