"""Approvals as they are listed, shown and counted."""

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from comptroller.core.approval import Approval
from comptroller.core.facts import APPROVAL_ANSWERED, ASK
from comptroller.office.approvals import STATES, ApprovalDesk
from comptroller.office.keylist import moment
from comptroller.policies.approvals import Said
from comptroller.store.reader import Reader

Row = dict[str, Any]
_PLAIN = ("run", "call", "rule", "policy", "version", "stage", "kind", "name", "customer", "user", "workflow", "agent")
_MORE = ("because", "place", "state", "quorum", "otherwise", "digest", "ended", "reminders", "escalated", "counted")
_TOLD = ("by", "answer", "to", "because", "edit", "roles", "stead", "nth", "otherwise", "unused")
SECOND = 1_000_000_000
ALIKE_DAYS = 30
MOST_RULES = 10_000
AMOUNTS = ("amount", "total", "sum", "price", "value")  # how arguments call what is at stake


def described(approval: Approval) -> Row:
    """An approval as a row."""
    row: Row = {"approval": approval.id, **{name: getattr(approval, name) for name in _PLAIN + _MORE}}
    row |= {"undecided": approval.undecided, "split": list(approval.split)}
    row |= {"key": approval.key, "of": list(approval.of), "people": list(approval.people)}
    row |= {"asked": moment(approval.asked), "until": moment(approval.until), "decided": moment(approval.decided)}
    row["votes"] = [
        {"person": vote.person, "answer": vote.answer, "at": moment(vote.at), "edited": bool(vote.edit),
         "because": vote.because, "stead": vote.stead, "seat": vote.seat}
        for vote in approval.votes
    ]  # fmt: skip
    row |= {"edited": bool(approval.edit), "used_in": approval.used_in, "delegates": dict(approval.delegates)}
    return row


def told(desk: ApprovalDesk, approval: Approval, texts: bool) -> Row:
    """One whole: what is asked about where `texts` may be seen, all that was said, and others like it."""
    row = described(approval)
    row["request"] = desk.shown(approval) if texts else None
    row["types"] = desk.takes(approval)
    row["alike"] = alike(desk, approval)
    row["kept"] = bool(approval.request)
    row["edits"] = _edits(desk, approval) if texts else []
    row["outdated"] = approval.state in ("pending", "approved") and desk.outdated(approval)
    row["history"] = [_event(said) for said in desk.history(approval.id)]
    row["similar"] = [described(each) for each in desk.similar(approval)]
    return row


def worth(request: Mapping[str, Any] | None) -> tuple[str | None, str]:
    """What is at stake, as far as the arguments say it: an amount as written, and its currency."""
    args = (request or {}).get("args") or {}
    found = next((args[name] for name in AMOUNTS if _is_number(args.get(name))), None)
    unit = str(args.get("currency") or "")
    return None if found is None else str(found), unit if len(unit) == 3 and unit.isascii() and unit.isupper() else ""


def alike(desk: ApprovalDesk, approval: Approval) -> Row:
    """What became lately of what the same rule asked for the same tool or model."""
    since = desk.desk.clock.now_ns() - ALIKE_DAYS * 86_400 * SECOND
    states = [_became(each) for each in desk.similar(approval, sys.maxsize) if each.asked >= since]
    return {"days": ALIKE_DAYS, **{state: states.count(state) for state in ("approved", "denied", "expired")}}


def _became(approval: Approval) -> str:
    """What people said of it, whatever the caller did with that."""
    if approval.state in ("used", "approved") or (approval.state == "expired" and approval.people):
        return "approved"
    return approval.state


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _edits(desk: ApprovalDesk, approval: Approval) -> list[Row]:
    """The arguments that approvers gave it instead, each with whose they are."""
    shown = desk.shown(approval) or {}
    found = []
    for vote in approval.votes:
        change = desk.edit_of(vote.edit)
        if change is not None:
            args = {name: said for name, said in (shown.get("args") or {}).items() if name not in change["drop"]}
            found.append({"person": vote.person, "args": {**args, **change["set"]}, "changed": [*change["set"]],
                          "dropped": list(change["drop"])})  # fmt: skip
    return found


def _event(said: Said) -> Row:
    fact = said.fact
    data: Mapping[str, Any] = fact.data
    event = "asked" if fact.kind == ASK else str(data.get("answer")) if fact.kind == APPROVAL_ANSWERED else fact.kind
    row: Row = {"event": event.removeprefix("approval."), "id": fact.id, "at": moment(fact.at), "call": fact.call}
    row |= {name: data.get(name) for name in _TOLD if fact.kind != ASK}
    row["edited"] = bool(row.pop("edit", None))
    return {**{name: None for name in _TOLD if name != "edit"}, **row, "ignored": said.ignored or None}


def asked_within(approvals: Iterable[Approval], since: datetime | None, until: datetime | None) -> list[Approval]:
    """Those that were asked for in a period."""
    first, end = (int(each.timestamp() * SECOND) if each else None for each in (since, until))
    return [each for each in approvals if (first is None or each.asked >= first) and (end is None or each.asked < end)]


def shadows_of(reader: Reader, since: datetime | None, until: datetime | None, tenant: str | None = None) -> list[Row]:
    """How often rules in shadow would have asked; days are UTC."""
    window = {"since": since and since.isoformat(), "until": until and until.isoformat()}
    rows: list[Row] = reader.rows("console_rules", **window, tenant=tenant, action="ask", shadow=True, limit=MOST_RULES)
    return rows


def counted(approvals: Iterable[Approval], shadows: Iterable[Mapping[str, Any]] = ()) -> list[Row]:
    """By rule: how often it asked, what came of that and how long it took; how often a shadow rule would have asked."""
    rules: dict[str, list[Approval]] = {}
    for approval in approvals:
        rules.setdefault(approval.rule, []).append(approval)
    would: Counter[str] = Counter()
    for row in shadows:
        would[str(row["rule"])] += int(row["decisions"])
    return [_counted(rule, rules.get(rule, ()), would[rule]) for rule in sorted({*rules, *would})]


def _counted(rule: str, asked: Sequence[Approval], would_ask: int) -> Row:
    became = [_became(each) for each in asked]
    took = sorted(
        each.decided - each.asked
        for each, so in zip(asked, became, strict=True)
        if each.decided and so in ("approved", "denied") and each.votes
    )
    states = [each.state for each in asked]
    row: Row = {"rule": rule, "asked": len(asked), "would_ask": would_ask}
    row |= {state: states.count(state) for state in STATES}
    row |= {"agreed": became.count("approved"), "unanswered": became.count("expired")}
    row["edited"] = sum(1 for each in asked if each.edit)
    row["median_answer_s"] = took[len(took) // 2] // SECOND if took else None
    return row
