"""Explain: why a call is decided as it is, what each rule saw of it, and the least that would let it pass."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from comptroller.dashboards import frame
from comptroller.dashboards.components import table
from comptroller.dashboards.components.table import Cell, Head, Table
from comptroller.dashboards.look.markup import Markup, as_text, join, tag
from comptroller.dashboards.look.words import badge, word_for
from comptroller.dashboards.views.audit import chosen

WAYS = {"recorded": "A recorded call", "given": "A call typed in"}
OWN = "own"
MOST_SAW = 400  # characters of one value
EXAMPLE = "tool: issue_refund\nargs: {order: A-1, amount: 250.0}\nagent: refunds\nworkflow: refund-desk\nscopes: []\n"
SAYS = {"matched": ("Yes", "asked", "•"), "not matched": ("No", "plain", ""),
        "could not be decided": ("Could not say", "failed", "!")}  # fmt: skip


def draw(told: dict[str, Any], version: str, tab: str) -> None:
    """The tab."""
    asked = _recorded(told) if chosen("of", WAYS) == "recorded" else _given(version)
    if asked is None:
        frame.empty(
            "No call is named",
            "Every rule that looks at it is listed with what it saw, and what would let the call pass.",
            "Take the id of a call from a run or from the audit page, or type one in.",
        )
        return
    with frame.guarded():
        _told(frame.source().question("/api/policies/explain", **asked))


def _recorded(told: Mapping[str, Any]) -> dict[str, Any] | None:
    """A call of the record, and the policies to ask."""
    which, under = st.columns([3, 2], vertical_alignment="bottom")
    with which:
        call = st.text_input("Call", frame.query("call"), key=frame.key("call"), placeholder="Its id, or how it begins")
    known = [row["version"] for row in told["versions"]]
    words = {version: f"{version[:12]}{' (in force)' if version == told['version'] else ''}" for version in known}
    now = frame.query("under")
    with under:
        wanted = st.selectbox(
            "Policies", [OWN, *known], index=known.index(now) + 1 if now in known else 0, key=frame.key("under"),
            format_func=lambda one: as_text(words.get(one, "Those that decided on it")),
        )  # fmt: skip
    frame.remember(call=call.strip(), under="" if wanted == OWN else wanted)
    if not call.strip():
        return None
    return {"call": call.strip()[:128], **({} if wanted == OWN else {"version": wanted})}


def _given(version: str) -> dict[str, Any] | None:
    """A call that somebody makes up, under the version looked at."""
    with st.form("explain_given", border=False):
        text = st.text_area(
            "A call, in YAML or JSON", EXAMPLE, height=170, key="explain_text",
            help=as_text("As under tests: in policy files. Also: model, text, customer, user, spent, calls, said."),
        )  # fmt: skip
        st.form_submit_button("Explain", type="primary")
    return {"given": text, "version": version} if text.strip() else None


def _told(told: Mapping[str, Any]) -> None:
    """What came of it."""
    _verdict(told)
    if told["note"]:
        frame.banner("asked", str(told["note"]), mark="!")
    for number, case in enumerate(told["cases"]):
        _case(case, number, told["version"])


def _verdict(told: Mapping[str, Any]) -> None:
    action, recorded = told["decision"], told["recorded"]
    by = f" by {told['rule']}" if told["rule"] else ""
    mark = word_for(action).mark
    text = f"{word_for(action).word}{by}" if action != "allow" else "Allowed"
    tone = "ok" if told["passes"] else "asked" if action == "ask" else "failed"
    frame.banner(tone, f"{text}.", _remedies(told), mark)
    under = frame.link(told["version"][:12], frame.address("policies", version=told["version"]))
    pairs: list[tuple[str, str | Markup]] = [("Under version", under)]
    if recorded:
        to = frame.address("run", id=recorded["run"], span=recorded["call"])
        whose = f" of agent {recorded['agent']}" if recorded["agent"] else ""
        said = f" by {recorded['rule']}" if recorded["rule"] else ""
        pairs.append(("Call", join(frame.link(f"{recorded['kind']} {recorded['name']}", to), whose)))
        pairs.append(("On record", join(badge(recorded["status"]), f" {said}. {recorded['because']}".rstrip())))
    frame.facts(pairs)


def _remedies(told: Mapping[str, Any]) -> Markup:
    """The least that would let it pass, of each look at it."""
    return _coded(" ".join(dict.fromkeys(case["remedy"] for case in told["cases"] if case["remedy"])))


def _coded(text: str) -> Markup:
    """A sentence whose names stand between backticks."""
    pieces = text.split("`")
    return join(*(tag("code", piece) if number % 2 else piece for number, piece in enumerate(pieces)))


def _case(case: Mapping[str, Any], number: int, version: str) -> None:
    about = f"Tool {case['tool']}" if case["tool"] else f"At {case['stage']}"
    frame.section(about, case["because"])
    if case["ways"]:
        frame.cards((_way(way), _asks(way), "Tried: all policies together let it pass then.")
                    for way in case["ways"])  # fmt: skip
    if not case["reasons"]:
        frame.put(tag("p", "No rule looks at such a call.", cls="ct-sub"))
    else:
        heads = [Head("says", "Matched"), Head("rule", "Rule"), Head("action", "Says")]
        heads += [Head("when", "When", wide=True), Head("saw", "Saw", wide=True)]
        rows = [_reason(reason, version) for reason in case["reasons"]]
        table.show(Table(heads, rows, f"What rules say of {about}"), key=f"explain_{number}")
    guards = [f"{found['guard']} found {found['count']} {found['kind']}" for found in case["guards"]]
    unknown = [f"{name} is not on record, so it was taken as absent" for name in case["unknown"]]
    frame.put(*(tag("p", f"{line}.", cls="ct-sub") for line in (*guards, *unknown)))


def _way(way: Mapping[str, Any]) -> Markup:
    return _coded(" and ".join(way["changes"]) or "As it is")


def _asks(way: Mapping[str, Any]) -> str:
    if not way["quorum"]:
        return "nobody is asked"
    whom = " or ".join(way["of"]) or "somebody"
    return f"{whom} approves" if way["quorum"] == 1 else f"{way['quorum']} of {whom} approve"


def _reason(reason: Mapping[str, Any], version: str) -> list[Cell]:
    word, tone, mark = SAYS[reason["says"]]
    to = frame.address("policies", version=version, rule=reason["rule"], policy=reason["policy"])
    return [
        Cell(word, tone=tone, mark=mark),
        Cell(reason["rule"], reason["place"], to, below=reason["policy"]),
        Cell(reason["action"], below="in shadow" if reason["shadow"] else ""),
        Cell(reason["when"] or "Always", below=reason["because"], code=bool(reason["when"])),
        Cell(_saw(reason["saw"].items()), below="; ".join(f"{name} {why}" for name, why in reason["missing"].items())),
    ]


def _saw(values: Any) -> str:
    said: Sequence[str] = [f"{name} = {json.dumps(value, ensure_ascii=False)[:MOST_SAW]}" for name, value in values]
    return "; ".join(said) or "–"
