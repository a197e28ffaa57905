"""The site map: every page, who sees it, and where it lies."""

from dataclasses import dataclass
from importlib import import_module

ADMIN, COMPLIANCE, FINANCE, ENGINEER, VIEWER = "admin", "compliance", "finance", "engineer", "viewer"
EVERYBODY = (COMPLIANCE, FINANCE, ENGINEER, VIEWER)


@dataclass(frozen=True, slots=True)
class Page:
    """One page. An admin sees all; `roles` are the others who do. Its code is `views/KEY.py`."""

    key: str
    title: str
    group: str
    icon: str  # of the Material Symbols that Streamlit ships
    roles: tuple[str, ...]
    answers: str  # the question it answers, in a line
    listed: bool = True  # in the navigation; else it is reached from others

    @property
    def path(self) -> str:
        """Its address."""
        return "/" if self.key == "overview" else f"/{self.key}"

    @property
    def whose(self) -> str:
        """Whose it is, in words."""
        return f"{', '.join((ADMIN, *self.roles[:-1]))} and {self.roles[-1]}"

    def draw(self) -> None:
        """Draw it; its module is loaded by the first who looks."""
        import_module(f"comptroller.dashboards.views.{self.key}").page()


ENGINEERING, COMPLYING, MONEY, HOUSE = "Engineering", "Compliance", "Finance", "House"

PAGES = (
    Page("overview", "Overview", "", "space_dashboard", EVERYBODY, "Is anything wrong now? Where does money go?"),
    Page("runs", "Runs", ENGINEERING, "list_alt", EVERYBODY, "Which runs were there, and why did they fail?"),
    Page("run", "Run", ENGINEERING, "account_tree", EVERYBODY, "What happened in one run?", listed=False),
    Page("compare", "Compare", ENGINEERING, "compare_arrows", (ENGINEER, COMPLIANCE), "What differed from a good run?"),
    Page(
        "failures",
        "Failures",
        ENGINEERING,
        "error",
        (ENGINEER, COMPLIANCE),
        "What fails most, since when, at what cost?",
    ),
    Page("agents", "Agents", ENGINEERING, "hub", (ENGINEER, COMPLIANCE), "Who calls whom, and what does it cost?"),
    Page("live", "Live", ENGINEERING, "stream", (ENGINEER,), "What is going on right now?"),
    Page("approvals", "Approvals", COMPLYING, "approval", (COMPLIANCE, FINANCE, ENGINEER), "What waits for a person?"),
    Page("policies", "Policies", COMPLYING, "policy", (COMPLIANCE, ENGINEER), "What is enforced, and since when?"),
    Page("audit", "Audit", COMPLYING, "verified_user", (COMPLIANCE,), "What was decided, and is the record intact?"),
    Page("evidence", "Evidence", COMPLYING, "inventory_2", (COMPLIANCE,), "What did we give to which auditor?"),
    Page("access", "Access", COMPLYING, "key", (COMPLIANCE,), "Who may do what, with which key?"),
    Page("spend", "Spend", MONEY, "payments", (FINANCE, COMPLIANCE, ENGINEER), "Who spends what, against which cap?"),
    Page(
        "outcomes",
        "Outcomes",
        MONEY,
        "task_alt",
        (FINANCE, COMPLIANCE),
        "Which successes can be billed, on what evidence?",
    ),
    Page(
        "invoices",
        "Invoices",
        MONEY,
        "receipt_long",
        (FINANCE, COMPLIANCE),
        "What do we bill, and is it safe to close?",
    ),
    Page("contracts", "Contracts", MONEY, "contract", (FINANCE,), "What was agreed, and what if it were otherwise?"),
    Page("economics", "Unit economics", MONEY, "query_stats", (FINANCE,), "What does an outcome cost and earn?"),
    Page("health", "Health", HOUSE, "monitor_heart", (ENGINEER, COMPLIANCE), "Does the house itself work?"),
)
BY_KEY = {page.key: page for page in PAGES}
WHOLE = frozenset({"policies", "audit", "evidence", "access", "health"})  # of a tenant: not for one of its customers


def pages_of(role: str, customer: str = "") -> tuple[Page, ...]:
    """The pages that somebody in a role sees; fewer where they are there for one customer."""
    return tuple(page for page in PAGES if may_see(role, page.key, customer))


def may_see(role: str, key: str, customer: str = "") -> bool:
    """True where a role has a page."""
    page = BY_KEY.get(key)
    if page is None or (customer and key in WHOLE):
        return False
    return role == ADMIN or role in page.roles
