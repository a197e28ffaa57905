"""The people who may look at the console: invited by a link that is told once, changed and removed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import streamlit as st

from comptroller.core.errors import SettingsError
from comptroller.core.settings import ROLES
from comptroller.dashboards import frame, listing, session
from comptroller.dashboards.components.table import Cell, status
from comptroller.dashboards.listing import Column, Filter, Listing, Row
from comptroller.dashboards.look.markup import join, tag
from comptroller.dashboards.views import once, runs
from comptroller.dashboards.views.narrowing import found

STATUSES = {"active": "Has entered", "invited": "Invited", "removed": "Removed"}
EXPORTED = ("name", "role", "customer", "status", "provider", "invited", "by", "entered", "removed", "person")


def draw(may_change: bool) -> None:
    """The tab."""
    _link()
    people = frame.source().get("/api/people")["people"]
    if not session.signed_in() and not people:
        more = "Whoever sits at this machine may do everything here. The first invitation or the first key ends that."
        frame.banner("asked", "Nobody has to sign in yet.", more, "!")
    row = listing.show(_listing(people, may_change))
    if may_change:
        _invite()
        if row is not None and row["status"] != "removed":
            _change(row)


def _listing(people: list[dict[str, Any]], may_change: bool) -> Listing:
    return Listing(
        "People",
        [
            Column("name", "Name", lambda row: Cell(row["name"], row["person"])),
            Column("role", "Role", lambda row: Cell(row["role"])),
            Column("customer", "Only of customer", lambda row: Cell(row["customer"])),
            Column("status", "Standing", _status),
            Column("entered", "Last entered", lambda row: _when(row["entered"])),
            Column("invited", "Invited", lambda row: _when(row["invited"])),
            Column("by", "By", lambda row: Cell(row["by"])),
            Column("provider", "Signs in at", lambda row: Cell(row["provider"] or "by link"), wide=True),
        ],
        lambda wanted: found(people, wanted, ("name", "role", "customer", "by")),
        [
            Filter("search", "Search", "search", hint="Name, customer"),
            Filter("role", "Role", "one", ROLES),
            Filter("status", "Standing", "one", tuple(STATUSES), STATUSES),
        ],
        name="p_",
        key="person" if may_change else "",
        exports=EXPORTED,
        nothing=(
            "Nobody was invited yet",
            "People enter by a link of their own, once, and stay for a session.",
            tag("span", "Invite somebody below, or with ", tag("code", 'comptroller people invite "NAME" --role ROLE')),
        ),
    )


def _status(row: Row) -> Cell:
    return status({"removed": "revoked", "invited": "pending"}.get(row["status"], "active"), STATUSES[row["status"]])


def _when(text: str | None) -> Cell:
    return runs.when(datetime.fromisoformat(text) if text else None)


def _link() -> None:
    """A link that was made just now: this once."""
    token = once.take("link")
    if not token:
        return
    more = join(
        tag("code", f"/enter/{token}"),
        " Put the console's address before it and hand it over by a way you trust. It lets in once, and is not told "
        "again.",
    )
    frame.banner("asked", "The link, for this once.", more, "!")


def _invite() -> None:
    frame.section("Invite somebody", "They get a link that lets them in once, within 24 hours.")
    name, role, customer = st.columns([3, 2, 3])
    called = name.text_input("Name", key="invite_name", max_chars=80)
    as_what = role.selectbox("Role", ROLES, index=ROLES.index("viewer"), key="invite_role")
    only = customer.text_input("Only of customer", key="invite_customer", max_chars=128, placeholder="All of them")

    def invite(because: str) -> str:
        if not called.strip():
            raise SettingsError("Nobody is named. Close this, and type a name first.")
        made = frame.source().post("/api/people", name=called.strip(), role=as_what, customer=only.strip())
        once.keep("link", made["token"])
        return f"{made['name']} is invited as {made['role']}."

    whose = f", and see what is of {only.strip()}" if only.strip() else ""
    question = f"Invite {called.strip() or 'nobody yet'} as {as_what}? They will have the rights of that role{whose}."
    frame.act("Invite", invite, question, key="invite", primary=True)


def _change(row: Mapping[str, Any]) -> None:
    """What can be done about the chosen person."""
    source, person, name = frame.source(), row["person"], row["name"]
    frame.section(name, "Chosen above. What changes counts at once, also in what they have open.")
    pick, change, remove, again = st.columns([3, 2, 2, 3], vertical_alignment="bottom")
    role = pick.selectbox("New role", ROLES, index=ROLES.index(row["role"]), key=f"role_{person}")

    def change_role(because: str) -> str:
        source.post(f"/api/people/{person}/role", role=role)
        return f"{name} is {role} now."

    def remove_person(because: str) -> str:
        source.post(f"/api/people/{person}/remove")
        return f"{name} is let in no more."

    def invite_again(because: str) -> str:
        once.keep("link", source.post("/api/people", name=name)["token"])
        return f"A new link for {name} is made."

    with change:
        frame.act("Change", change_role, f"Make {name} {role}?", key="change", disabled=role == row["role"])
    with remove:
        frame.act("Remove", remove_person, f"Let {name} in no more? Their sessions end now.", key="remove")
    if not row["provider"]:
        with again:
            frame.act("New link", invite_again, f"Make another link for {name}?", key="again")
