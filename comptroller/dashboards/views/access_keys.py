"""Keys: what each fixes and how it stands; issued, renewed and ended by whoever may."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import streamlit as st

from comptroller.core.errors import SettingsError
from comptroller.dashboards import frame, listing
from comptroller.dashboards.components.table import Cell, status
from comptroller.dashboards.listing import Column, Filter, Listing, Row
from comptroller.dashboards.look.markup import join, tag
from comptroller.dashboards.views import once, runs
from comptroller.dashboards.views.narrowing import found

STATUSES = {"live": "Live", "rotating": "Two secrets", "expired": "Expired", "revoked": "Revoked"}
SHOWN = {"live": "active", "rotating": "pending", "expired": "expired", "revoked": "revoked"}
LONG = {"": "Never", "30d": "In 30 days", "90d": "In 90 days", "365d": "In a year"}
EXPORTED = (
    "key", "name", "status", "agent", "customer", "user", "workflow", "scopes", "budgets", "issued", "expires",
    "rotated", "revoked", "by",
)  # fmt: skip


def draw(may_change: bool) -> None:
    """The tab."""
    _secret()
    keys = frame.source().get("/api/access", limit=1000)["keys"]
    row = listing.show(_listing(keys, may_change))
    if may_change:
        _issue()
        if row is not None and row["status"] in ("live", "rotating"):
            _end(row)


def _listing(keys: list[dict[str, Any]], may_change: bool) -> Listing:
    return Listing(
        "Keys",
        [
            Column("name", "Key", lambda row: Cell(row["name"] or row["key"], row["key"])),
            Column("status", "Standing", lambda row: status(SHOWN[row["status"]], STATUSES[row["status"]])),
            Column("agent", "Agent", lambda row: Cell(row["agent"])),
            Column("customer", "Customer", _whose),
            Column("scopes", "Scopes", _scopes, wide=True),
            Column("budgets", "Budgets", lambda row: Cell(", ".join(row["budgets"]))),
            Column("issued", "Issued", lambda row: _when(row["issued"], row["by"])),
            Column("expires", "Expires", lambda row: _when(row["expires"])),
            Column("revoked", "Ended", lambda row: _when(row["revoked"])),
        ],
        lambda wanted: found(keys, wanted, ("name", "key", "agent", "customer", "workflow", "by")),
        [
            Filter("search", "Search", "search", hint="Name, agent, customer"),
            Filter("status", "Standing", "one", tuple(STATUSES), STATUSES),
            Filter("customer", "Customer", "one", sorted({row["customer"] for row in keys if row["customer"]})),
        ],
        name="k_",
        key="key" if may_change else "",
        exports=EXPORTED,
        nothing=(
            "No key was issued yet",
            "Until the first key, the gateway takes calls from this machine alone, and from anybody on it.",
            tag("span", "Issue one with ", tag("code", "comptroller keys issue --name NAME"), "."),
        ),
    )


def _whose(row: Row) -> Cell:
    more = [f"{name} {row[name]}" for name in ("user", "workflow") if row[name]]
    return Cell(row["customer"], below=", ".join(more))


def _scopes(row: Row) -> Cell:
    if row["scopes"] is None:
        return Cell("All tools", "Not limited in tools; at /api it may open runs and claim, no more.")
    return Cell(", ".join(row["scopes"]) or "None")


def _when(text: str | None, by: str = "") -> Cell:
    made = runs.when(datetime.fromisoformat(text) if text else None)
    return Cell(made.text, made.exact, below=f"by {by}" if by else "")


def _secret() -> None:
    """A secret that was made just now: this once, and in no state of the session from here on."""
    made = once.take("key")
    if made:
        more = join(tag("code", made), " Copy it now: only its digest is kept, and nobody can tell it again.")
        frame.banner("asked", "The key's secret, for this once.", more, "!")


def _issue() -> None:
    frame.section("Issue a key", "What is left empty is not fixed by it. A key never gives more than you have.")
    first, second, third, fourth = st.columns(4)
    name = first.text_input("Name", key="key_name", max_chars=128)
    agent = second.text_input("Agent", key="key_agent", max_chars=128)
    customer = third.text_input("Customer", key="key_customer", max_chars=128)
    expires = fourth.selectbox("Expires", list(LONG), index=2, format_func=lambda o: LONG[o], key="key_expires")
    scopes = st.text_input(
        "Scopes", key="key_scopes", placeholder="Separated by spaces; empty: all tools", max_chars=500
    )
    budget = st.text_input("Budgets", key="key_budgets", placeholder="50 USD/month, 1000 calls/day", max_chars=200)

    def issue(because: str) -> str:
        if not name.strip():
            raise SettingsError("The key has no name. Close this, and type one first.")
        made = frame.source().post(
            "/api/keys",
            name=name.strip(),
            agent=agent.strip(),
            customer=customer.strip(),
            scopes=scopes.split() or None,
            budgets=[each.strip() for each in budget.split(",") if each.strip()],
            expires=expires or None,
        )
        once.keep("key", made["secret"])
        return f"The key {name.strip()} is issued."

    question = f"Issue the key {name.strip() or 'without a name'}? Whoever has its secret can spend in its name."
    frame.act("Issue", issue, question, key="issue", primary=True)


def _end(row: Mapping[str, Any]) -> None:
    """What can be done about the chosen key."""
    source, key, name = frame.source(), row["key"], row["name"] or row["key"]
    frame.section(name, "Chosen above.")
    rotate, revoke, _ = st.columns([2, 2, 6])

    def give_another(because: str) -> str:
        made = source.post(f"/api/keys/{key}/rotate")
        once.keep("key", made["secret"])
        return f"{name} has a new secret; the old one works for 24 hours more."

    def end(because: str) -> str:
        source.post(f"/api/keys/{key}/revoke")
        return f"{name} has ended."

    with rotate:
        question = f"Give {name} a new secret? The old one works on for 24 hours."
        frame.act("Rotate", give_another, question, key="rotate")
    with revoke:
        frame.act("Revoke", end, f"End {name} for good? Calls with it are refused at once.", key="revoke")
