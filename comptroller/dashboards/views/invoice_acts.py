"""What can be done with an invoice or a draft by whoever keeps the books: each confirmed, and on record by name."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import streamlit as st

from comptroller.core.clock import SYSTEM
from comptroller.dashboards import frame
from comptroller.dashboards.look.markup import tag
from comptroller.dashboards.views import finance
from comptroller.dashboards.views.finance import month
from comptroller.office.keys import BOOKS

Told = dict[str, Any]
WAYS = {"outcome": "What an outcome came to", "amount": "An amount before tax", "rest": "All that is left"}


def draw(told: Told, number: str, checks: Callable[[], None]) -> None:
    """The buttons that make sense as it stands; none for whoever may only look."""
    if not finance.may(BOOKS):
        return
    if not number:
        _finalise(told, checks)
    elif told["status"] not in ("void", "uncollectible"):
        _credit(told, number)
        _settle(told, number)


def _finalise(told: Told, checks: Callable[[], None]) -> None:
    """Close the period; not while a check finds a fault, and not before it is over."""
    faults = sum(check["level"] == "fault" for check in told["checks"])
    customer, period = told["customer"], told["period"]

    def do(_: str) -> str:
        made = frame.source().post("/api/books/close", customer=customer, period=period, early=True)["invoices"]
        if not made:
            return "Nothing was left to close."
        frame.remember(inv=made[-1]["number"], customer="", period="", line="")
        return f"Finalised: {', '.join(row['number'] for row in made)}."

    frame.act(
        "Finalise this invoice",
        do,
        f"Finalise {month(period)} for {customer}? It gets its number and can only be credited afterwards. "
        "Older open periods of this customer are closed with it.",
        key="inv_finalise",
        primary=True,
        disabled=bool(faults) or not told["over"],
        show=checks,
    )
    if faults:
        frame.put(tag("p", f"{faults} fault{'' if faults == 1 else 's'} above must be mended first.", cls="ct-sub"))
    elif not told["over"]:
        frame.put(tag("p", "The period still runs, so it cannot be closed yet.", cls="ct-sub"))


def _credit(told: Told, number: str) -> None:
    """A credit note: for an outcome, an amount, or all that is left."""
    asked = finance.said("outcome")
    # Who comes from an outcome to give it back finds the form open.
    closed = st.popover("Credit note", icon=":material/undo:", width="stretch") if not asked else None
    with closed or st.container(border=True):
        way = st.radio("Give back", list(WAYS), format_func=WAYS.get, key="cn_way", index=0 if asked else 1)
        unit, said = told["currency"], {}
        if way == "outcome":
            said["outcome"] = st.text_input("Id of the outcome", asked, key=frame.key("outcome"), max_chars=128).strip()
        elif way == "amount":
            text = st.text_input(f"Amount in {unit}, before tax", "", key="cn_amount", max_chars=30).strip()
            said["amount"] = f"{text} {unit}" if text and not text.endswith(unit) else text
        what = next(iter(said.values()), "all that is left") or "…"
        frame.act("Issue the credit note", _crediting(number, said), f"Give back {what} of {number}, its tax with it?",
                  key="inv_credit", because=True, primary=True, disabled=what == "…")  # fmt: skip


def _crediting(number: str, said: dict[str, str]) -> Callable[[str], str]:
    def do(because: str) -> str:
        kept = f"cn_ref_{number}"
        # Kept until it is done: a second press after a lost answer is the same credit note.
        reference = st.session_state.setdefault(kept, SYSTEM.new_id())
        path = finance.path("invoices", number, "credit")
        note = frame.source().post(path, because=because, reference=reference, **said)
        st.session_state.pop(kept, None)
        return f"{note['number']} gives {finance.money(note['total'], note['currency']).text} back."

    return do


def _settle(told: Told, number: str) -> None:
    """Money that came in, or that never will."""
    if Decimal(told["open"]):
        _pay(told, number)
        _end("Write off", "write-off", f"Give up the {told['open']} {told['currency']} still open of {number}?",
             number, "Given up.")  # fmt: skip
    if not told["payments"] and not told["credit_notes"] and not Decimal(told["totals"]["credits"]):
        _end("Void", "void", f"Take {number} back as if it had not been? Its outcomes are billed anew.", number,
             "Void: its outcomes are on the next draft.")  # fmt: skip


def _pay(told: Told, number: str) -> None:
    with st.popover("Payment", icon=":material/payments:", width="stretch"):
        unit = told["currency"]
        text = st.text_input(f"Amount in {unit}", told["open"], key="pay_amount", max_chars=30).strip()
        reference = st.text_input("Reference, as on the bank statement", "", key="pay_reference", max_chars=100).strip()
        money = f"{text} {unit}" if text and not text.endswith(unit) else text

        def do(_: str) -> str:
            frame.source().post(finance.path("invoices", number, "pay"), amount=money, reference=reference)
            return f"{money} taken in."

        frame.act("Take it in", do, f"Record that {money} came in for {number} with reference {reference}?",
                  key="inv_pay", primary=True, disabled=not (text and reference))  # fmt: skip


def _end(label: str, word: str, question: str, number: str, done: str) -> None:
    def do(because: str) -> str:
        frame.source().post(finance.path("invoices", number, word), because=because)
        return done

    frame.act(label, do, question, key=f"inv_{word}", because=True)
