"""Which caps and limits a call has to stand under: the readings of `budgets` and `limits`."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from comptroller.core.call import Identity
from comptroller.core.facts import LIVE, Line
from comptroller.core.verdict import Cap, Limit
from comptroller.policies.amounts import read_cap, read_rate

if TYPE_CHECKING:  # pydantic's frames cost 30 ms of an import
    from comptroller.policies.book import Policy
    from comptroller.policies.document import Limit as Written


def caps_of(applying: Sequence["Policy"], identity: Identity, tool: str) -> tuple[Cap, ...]:
    """The budgets of some policies that apply to a call; a scope that is not said has none."""
    ids = ids_of(identity, tool)
    found = []
    for policy in applying:
        for number, budget in enumerate(policy.document.budgets):
            every = budget.every or ""
            if not ids[budget.per] or (every == "run" and not identity.run):
                continue
            unit, limit = read_cap(budget.cap)
            place = policy.place("budgets", number)
            who = _owner(budget.per, ids)
            cap = Cap(budget.per, who, every, budget.zone, unit, limit, budget.over, place, budget.count)
            found.append(replace(cap, queue_s=budget.queue) if budget.queue else cap)
    return tuple(found)


def limits_of(applying: Sequence["Policy"], identity: Identity, tool: str) -> tuple[Limit, ...]:
    """The limits of a call, in one order: those per tool for a tool call, all others for the rest."""
    ids = ids_of(identity, tool)
    found: list[Limit] = []
    for policy in applying:
        for number, limit in enumerate(policy.document.limits):
            if ids[limit.per] and (limit.per == "tool") == bool(tool):
                place = policy.place("limits", number)
                found += _limits(limit, _owner(limit.per, ids), place)
    return tuple(sorted(found, key=lambda limit: (limit.key, limit.unit, limit.most)))


def ids_of(identity: Identity, tool: str) -> dict[str, str]:
    """Whom a call counts for, by scope."""
    return {
        "tenant": identity.tenant or "default",
        "customer": identity.customer,
        "workflow": identity.workflow,
        "run": identity.run,
        "agent": identity.agent,
        "key": identity.key,
        "user": identity.user,
        "tool": tool,
    }


def _owner(per: str, ids: dict[str, str]) -> str:
    """Whose counter it is. Names repeat between tenants, so outside the default one the tenant is part of it."""
    alone = per in ("tenant", "run") or ids["tenant"] == "default"
    return ids[per] if alone else f"{ids['tenant']}/{ids[per]}"


def _limits(written: "Written", who: str, place: str) -> Iterator[Limit]:
    """One limit of a file: each of its words counts by itself."""
    per, queue_s = written.per, written.queue
    for unit, text in (("requests", written.requests), ("tokens", written.tokens)):
        if text is not None:
            most, span = read_rate(text)
            yield Limit(per, who, unit, most, span, queue_s, place, Line(f"{per}:{who}|{span}:", unit, 1, most))
    if written.concurrent is not None:
        line = Line(f"{per}:{who}|{LIVE}:", LIVE, 1, written.concurrent)
        yield Limit(per, who, LIVE, written.concurrent, "", queue_s, place, line)
