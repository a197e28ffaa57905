"""What can be said of an outcome by whoever has the right to: each word asked for a reason and put on record."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from comptroller.dashboards import frame
from comptroller.dashboards.views import finance
from comptroller.office.keys import BOOKS, OUTCOMES

Told = dict[str, Any]


def draw(told: Told) -> None:
    """The buttons that make sense in its state; none for whoever may only look."""
    credit = frame.address("invoices", inv=told["invoice"], outcome=told["outcome"]) if told["invoice"] else ""
    if credit and finance.may(BOOKS) and told["state"] in ("billed", "final", "disputed", "clawed_back"):
        frame.put(frame.link("Give it back on a credit note", credit))
    known = _STATES.get(told["state"], ()) if finance.may(OUTCOMES) else ()
    drawn = [each for each in known if each is not _claw_back or told["clawback_reasons"]]
    if not drawn:
        return
    for place, each in zip(st.columns(len(drawn)), drawn, strict=True):
        with place:
            each(told)


def _say(told: Told, word: str, done: str, **more: object) -> Callable[[str], str]:
    def do(because: str) -> str:
        said = {name: value for name, value in more.items() if value not in (None, "")}
        path = finance.path("outcomes", told["outcome"], word)
        return finance.heard(frame.source().post(path, because=because, **said), done)

    return do


def _confirm(told: Told) -> None:
    frame.act("Confirm", _say(told, "confirm", "Confirmed."), "Confirm that this was reached? It earns its fee then.",
              key="oc_confirm", primary=True, because=True)  # fmt: skip


def _reject(told: Told) -> None:
    frame.act("Reject", _say(told, "reject", "Rejected: it earns nothing."),
              "Say that this was not reached? It earns nothing then.", key="oc_reject", because=True)  # fmt: skip


def _dispute(told: Told) -> None:
    frame.act("Dispute", _say(told, "dispute", "Disputed: it waits for a decision."),
              "Dispute this outcome? It is held back, or may come back, until that is decided.", key="oc_dispute",
              because=True)  # fmt: skip


def _reopen(told: Told) -> None:
    frame.act("Reopen", _say(told, "reopen", "Reopened: its fee comes back."),
              "Say that the subject came back, so it was not solved? All that is left of the fee is given back.",
              key="oc_reopen", because=True)  # fmt: skip


def _uphold(told: Told) -> None:
    with st.popover("Uphold"):
        left = _amount(told, "oc_uphold_amount")
        do = _say(told, "resolve", "Upheld: the amount comes back.", upheld=True, amount=left)
        said = left or "all that is left of the fee"
        frame.act("Uphold the dispute", do, f"The customer is right, and {said} comes back?", key="oc_uphold",
                  because=True)  # fmt: skip


def _refuse(told: Told) -> None:
    frame.act("Refuse", _say(told, "resolve", "Refused: the fee stands.", upheld=False),
              "Refuse the dispute? The fee stands, and it cannot be disputed again.", key="oc_refuse",
              because=True)  # fmt: skip


def _claw_back(told: Told) -> None:
    with st.popover("Claw back"):
        reason = st.selectbox("Reason in the contract", told["clawback_reasons"], key="oc_reason")
        left = _amount(told, "oc_claw_amount")
        do = _say(told, "clawback", "Clawed back.", reason=reason, amount=left)
        said = left or "all that may come back"
        frame.act("Claw the fee back", do, f"Take {said} of a final fee back, for {reason}?", key="oc_claw",
                  because=True)  # fmt: skip


def _amount(told: Told, key: str) -> str:
    """An amount in words that `/api` reads; nothing said means all of it."""
    currency = told["currency"] or "USD"
    text = st.text_input(f"Amount in {currency}", "", key=key, placeholder="all of it", max_chars=30).strip()
    return f"{text} {currency}" if text and not text.endswith(currency) else text


Draw = Callable[[Told], None]
_STATES: dict[str, tuple[Draw, ...]] = {
    "claimed": (_reject,),
    "pending": (_confirm, _reject),
    "verified": (_dispute, _reopen),
    "billed": (_dispute, _reopen),
    "disputed": (_uphold, _refuse),
    "disputed_unbilled": (_uphold, _refuse),
    "final": (_claw_back,),
}
