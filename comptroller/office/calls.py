"""Calls out of journal records, counted as the books count them: for who has the records and no books."""

import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from comptroller.core.facts import CALL_CLOSED, CALL_OPENED, HOLD_EXPIRED, Fact
from comptroller.core.money import NANOS

_MONEY = re.compile("[A-Z]{3}")
_REFUSED = ("denied", "over_budget", "rate_limited", "pending")
_TOKENS = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")


class Calls:
    """Answers the query `work` from records of calls, and `metered` from rows of usage events."""

    def __init__(self, facts: Iterable[Fact], usage: Iterable[Mapping[str, Any]]) -> None:
        self._usage = list(usage)
        self._calls: dict[str, tuple[str, dict[str, Any]]] = {}  # the first end of each call stands
        opened: dict[str, Fact] = {}
        for fact in facts:
            if fact.kind == CALL_OPENED:
                opened.setdefault(fact.call, fact)
            elif fact.kind == HOLD_EXPIRED and fact.call in opened and fact.call not in self._calls:
                self._calls[fact.call] = ("expired", _expired(opened[fact.call], fact))
            elif fact.kind == CALL_CLOSED and self._calls.get(fact.call, ("expired",))[0] == "expired":
                self._calls[fact.call] = ("closed", _closed(fact))

    def rows(self, name: str, **params: object) -> list[dict[str, object]]:
        """The answer to a named query of the books."""
        since, until = _whole(params.get("since")), _whole(params.get("until"))
        if name == "metered":
            return list(self._metered(since, until))
        assert name == "work", f"nobody asks a pack for {name}"
        return list(self._work(since, until))

    def _work(self, since: int, until: int) -> Iterator[dict[str, object]]:
        sums: dict[tuple[object, ...], dict[str, Any]] = {}
        for _, call in self._calls.values():
            if call["status"] in _REFUSED or not call["customer"]:
                continue
            if since // 1000 <= call["ended"] // 1000 < until // 1000:
                who = (call["tenant"], call["customer"])
                for group in ((call["agent"], call["provider"], call["currency"]), (None, None, None)):
                    _add(sums.setdefault((*who, *group), {"calls": 0, "runs": set(), "tokens": 0, "cost": 0}), call)
        names = ("tenant", "customer", "agent", "provider", "currency")
        for key, said in sums.items():
            cost = Decimal(said["cost"]) / NANOS
            yield {**dict(zip(names, key, strict=True)), **said, "runs": len(said["runs"]), "cost": cost}

    def _metered(self, since: int, until: int) -> Iterator[dict[str, object]]:
        for row in self._usage:
            if since // 1000 <= _whole(row.get("happened")) // 1000 < until // 1000:
                yield {name: row[name] for name in ("tenant", "customer", "meter", "quantity")}


def _add(sums: dict[str, Any], call: Mapping[str, Any]) -> None:
    sums["calls"] += 1
    sums["runs"].add(call["run"])
    sums["tokens"] += call["tokens"]
    sums["cost"] += call["cost"]


def _closed(fact: Fact) -> dict[str, Any]:
    said = fact.data
    usage = said.get("usage")
    tokens = sum(_whole(usage.get(name)) for name in _TOKENS) if isinstance(usage, Mapping) else 0
    known = _known(fact) | {"status": str(said.get("status", "")), "tokens": tokens}
    cost, currency = _whole(said.get("cost")), str(said.get("currency") or "")
    return known | {"ended": _whole(said.get("ended")) or fact.at, "cost": cost, "currency": currency}


def _expired(opened: Fact, fact: Fact) -> dict[str, Any]:
    """A call of which only its hold's end is known: charged at its estimate."""
    hold = fact.data.get("hold")
    lines = hold.get("lines") if isinstance(hold, Mapping) else None
    money = next((line for line in lines or () if _MONEY.fullmatch(str(line[1]))), (None, "", 0))
    known = _known(opened) | {"status": "expired", "tokens": 0, "ended": fact.at}
    return known | {"cost": _whole(money[2]), "currency": str(money[1] or opened.data.get("currency") or "")}


def _known(fact: Fact) -> dict[str, Any]:
    said = fact.data
    provider = re.match("[a-z0-9]+", str(said.get("dialect") or ""))
    return {
        "tenant": str(said.get("tenant") or "default"),
        "customer": str(said.get("customer") or ""),
        "agent": str(said.get("agent") or ""),
        "provider": provider[0] if provider else "other",
        "run": fact.run,
    }


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
