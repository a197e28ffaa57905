"""Access: who may look at the console as what, and which keys there are."""

from comptroller.dashboards import frame, session
from comptroller.dashboards.components import table
from comptroller.dashboards.components.table import Cell, Head, Table
from comptroller.dashboards.map import ADMIN, EVERYBODY, pages_of
from comptroller.dashboards.views import access_keys, access_people
from comptroller.dashboards.views.audit import chosen
from comptroller.office.people import RIGHTS_OF

TABS = {"people": "People", "keys": "Keys", "roles": "Roles"}
MEANS = {
    "api:read": "look",
    "api:bodies": "read texts",
    "api:write": "open and close runs",
    "api:keys": "invite people, hand out keys",
    "api:outcomes": "speak on outcomes",
    "api:books": "close and correct invoices",
    "api:approvals": "answer approvals",
    "api:orders": "stop agents, raise caps",
}


def page() -> None:
    """The page."""
    frame.heading("Access", "Who may do what, and with which key. Each change is on record under its author's name.")
    tab = chosen("tab", TABS)
    if tab == "people":
        access_people.draw(may_change())
    elif tab == "keys":
        access_keys.draw(may_change())
    else:
        _roles()


def may_change() -> bool:
    """Whether the person may hand out access; the API checks it again."""
    return "api:keys" in session.person().rights


def _roles() -> None:
    heads = [Head("role", "Role"), Head("sees", "Sees", wide=True), Head("may", "May", wide=True)]
    rows = [
        [
            Cell(role),
            Cell(", ".join(page.title for page in pages_of(role) if page.listed)),
            Cell(", ".join(MEANS.get(right, right) for right in RIGHTS_OF[role])),
        ]
        for role in (ADMIN, *EVERYBODY)
    ]
    table.show(Table(heads, rows, "Roles"), key="roles")
