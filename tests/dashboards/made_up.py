"""Made-up runs for the components: small and readable, as large as any, hostile, and live."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from comptroller.dashboards.components.graph import Edge, Node, Sum
from comptroller.dashboards.components.messages import Span
from comptroller.dashboards.components.series import Period
from comptroller.dashboards.components.waterfall import Fold, Marks

START = datetime(2026, 11, 20, 17, 20, 17, tzinfo=UTC)
HOSTILE = [
    "<img src=x onerror=\"document.title='owned'\">",
    "![x](http://evil.example/pixel.png)",
    "safe\u202egnp.exe",
    "nul\x00and\x1b[31mescape",
    "👩\u200d💻 日本語 العربية",
    "</style><script>document.title='owned'</script>",
    "x" * 1_000_000,
]


def call(id: str, parent: str = "", at_ms: int = 0, took_ms: int | None = 100, **more: Any) -> dict[str, Any]:
    """A row of `run_tree`; `took_ms` None leaves it open."""
    started = START + timedelta(milliseconds=at_ms)
    return {
        "id": id,
        "parent": parent,
        "kind": "model",
        "name": "gpt-4o-mini",
        "model": "",
        "agent": "planner",
        "status": "open" if took_ms is None else "ok",
        "action": "allow",
        "because": "",
        "error": "",
        "started": started,
        "ended": None if took_ms is None else started + timedelta(milliseconds=took_ms),
        "input": 0,
        "output": 0,
        "cost": Decimal(0),
        "currency": "USD",
        "estimated": False,
        "unpriced": False,
        "opaque": False,
        **more,
    }


def agent(id: str, parent: str, name: str, at_ms: int, took_ms: int | None, **more: Any) -> dict[str, Any]:
    return call(id, parent, at_ms, took_ms, kind="agent", name=name, agent=name, currency="", **more)


def trace(case: str) -> tuple[list[dict[str, Any]], Marks]:
    if case == "big":
        return big(), Marks()
    if case == "hostile":
        return [
            call(f"h{n}", "", n * 100, name=text, agent=text, because=text, status="error")
            for n, text in enumerate(HOSTILE)
        ], Marks()
    if case == "live":
        rows = [agent("a0", "", "planner", 0, None), call("c1", "a0", 0, 400), call("c2", "a0", 500, None)]
        return rows, Marks(now=START + timedelta(seconds=2))
    if case == "empty":
        return [], Marks()
    return small()


def small() -> tuple[list[dict[str, Any]], Marks]:
    """A run of three agents: one fails, one goes round in a loop."""
    rows = [
        agent("a0", "", "vendor-onboarding", 0, 22_610, status="error"),
        call("c1", "a0", 0, 2_320, name="claude-sonnet-5", cost=Decimal("0.033"), input=5_800, output=324),
        agent("a1", "a0", "researcher", 2_320, 4_830),
        call("c2", "a1", 2_400, 2_360, name="gemini-3-flash", agent="researcher", cost=Decimal("0.0049"), input=7_904),
        call(
            "c3",
            "a1",
            4_800,
            157,
            kind="tool",
            name="web.fetch",
            agent="researcher",
            action="redact",
            because="A card number.",
        ),
        *[
            call(
                f"l{n}",
                "a1",
                5_000 + n * 300,
                280,
                kind="tool",
                name="web.search",
                agent="researcher",
                cost=Decimal("0.06"),
            )
            for n in range(7)
        ],
        agent("a2", "a0", "risk-scorer", 12_230, 10_380, status="error"),
        call(
            "c4",
            "a2",
            12_300,
            2_040,
            name="qwen3-32b",
            agent="risk-scorer",
            cost=Decimal("0.0003"),
            input=6_167,
            estimated=True,
        ),
        call(
            "c5",
            "a2",
            14_270,
            478,
            kind="tool",
            name="scores.get",
            agent="risk-scorer",
            status="error",
            error="409 Conflict: order already locked",
        ),
        call(
            "c6", "a2", 15_000, 2_500, name="gemini-3-flash", agent="risk-scorer", cost=Decimal("0.0051"), input=7_979
        ),
        call(
            "c7",
            "a2",
            18_000,
            96,
            kind="tool",
            name="issue_refund",
            agent="risk-scorer",
            status="pending",
            action="ask",
            because="Refunds above 100 USD need a person.",
        ),
        call(
            "c8", "a2", 19_000, 900, name="claude-sonnet-5", agent="risk-scorer", cost=Decimal("1234.567"), input=2_998
        ),
    ]
    return rows, Marks(
        folds=[Fold(tuple(f"l{n}" for n in range(7)))],
        first_bad="c5",
        crossed={"c8": "The run's cap of 2.50 USD."},
        decisions=[{"call": "c6", "action": "deny", "because": "No models after a failure.", "shadow": True}],
    )


def big(calls: int = 33_000) -> list[dict[str, Any]]:
    """As large as the largest run: agents in agents, some calls failed."""
    rows = [agent(f"{0:032x}", "", "root", 0, calls * 20)]
    for n in range(1, calls):
        held = n - n % 30
        id, parent = f"0195{n:06x}7000{n * 2654435761 % 2**64:018x}"[:32], rows[held]["id"] if n % 30 else rows[0]["id"]
        if n % 30 == 0:
            rows.append(agent(id, parent, f"worker-{n // 30 % 40}", n * 20, 600))
        else:
            bad = n % 97 == 0
            rows.append(
                call(
                    id,
                    parent,
                    n * 20,
                    15 + n % 40,
                    name=f"tool.number{n % 200}" if n % 3 else "gpt-4o-mini",
                    kind="tool" if n % 3 else "model",
                    agent=rows[held]["name"],
                    input=n % 5_000,
                    output=n % 700,
                    cost=Decimal(n % 1000).scaleb(-6),
                    status="error" if bad else "ok",
                )
            )
    return rows


def fleet(agents: int = 60, tools: int = 240) -> list[Edge]:
    """More nodes than can be read, in circles too."""
    crew = [Node("agent", f"agent {n}") for n in range(agents)]
    bench = [Node("tool", f"tool {n}") for n in range(tools)]
    calls = [Edge(crew[n], crew[n * 7 % agents], Sum(n + 1, n % 5 == 0, {"USD": n * 10**7})) for n in range(agents)]
    uses = [Edge(crew[n % agents], one, Sum(n + 1, n % 11 == 0, {"EUR": n * 10**7})) for n, one in enumerate(bench)]
    return calls + uses


def periods(many: int = 48) -> list[Period]:
    """Hours with a hole in them and a bad one."""
    return [
        Period(
            START.replace(minute=0, second=0) + timedelta(hours=n),
            (n * 37 % 50) * 123_456_789,
            120,
            17 if n == 30 else n % 3,
        )
        for n in range(many)
    ]


def talk(case: str) -> tuple[list[Any], list[Any] | None, list[Span]]:
    """A conversation, that of the call before, and where an argument came from."""
    if case == "hostile":
        return [{"role": text[:50], "content": text} for text in HOSTILE], None, [Span(0, 1, 4, HOSTILE[0])]
    if case == "empty":
        return [], None, []
    system = {"role": "system", "content": "You look after orders."}
    asked = {"role": "user", "content": "Refund order SO-48211, please. " + "It came broken. " * 200}
    called = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"function": {"name": "issue_refund", "arguments": '{"order": "SO-48211"}'}}],
    }
    answer = {"role": "tool", "tool_call_id": "t1", "content": "409 Conflict"}
    before = [{**system, "content": "You look after all orders."}, asked, {"role": "user", "content": "Hurry."}]
    return [system, asked, called, answer], before, [Span(1, 13, 21, "argument order of issue_refund")]
