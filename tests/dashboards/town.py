"""A small house of agents with two months behind it, made by the real code: something of everything a page can show.

`said` gives the words that outsiders write. The same town in hostile words is what the pages must withstand.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import yaml

from comptroller.core.clock import SYSTEM, FrozenClock
from comptroller.core.errors import Refused
from comptroller.core.money import parse_money
from comptroller.office import keys, orders, settle
from comptroller.office.close import close
from comptroller.office.keeping import keep_books
from comptroller.office.outcome_desk import OutcomeDesk
from comptroller.office.saying import More, Speaker, say
from comptroller.store.reader import Reader
from comptroller.testing.script import Received, Say, Use
from comptroller.testing.upstream import Upstream
from comptroller.wrapper.desk import Desk, set_desk
from comptroller.wrapper.run import Run
from comptroller.wrapper.tools import tool
from comptroller.wrapper.wrap import wrap

Said = Callable[[str], str]
HOUR, DAY, NS = 3_600, 86_400, 1_000_000_000
OURS, THEIRS = "default", "elsewhere"
POLICY = """
policy: payments
guards: {secrets: {in: redact}, privacy: {in: redact}}
tools:
  pay_invoice: {effect: external, args: {invoice: string, amount: double}}
  book_invoice: {effect: write, args: {invoice: string, amount: double}}
  read_order: {effect: read, args: {order: string}}
unlisted: allow
rules:
  - {id: payment-over-5000, on: tool, tool: pay_invoice, when: args.amount > LIMIT, then: deny, because: DENIED}
  - id: payment-over-1000
    on: tool
    tool: pay_invoice
    when: args.amount > 1000.0
    then: ask
    ask: {of: [finance], within: 30d}
    because: ASKED
  - id: payment-over-300
    on: tool
    tool: pay_invoice
    when: args.amount > 300.0
    then: ask
    mode: shadow
    because: WHAT
budgets:
  - {per: customer, every: month, cap: 50 USD, over: deny}
  - {per: run, cap: 2 USD, over: deny}
tests:
  - {call: {tool: pay_invoice, args: {invoice: r, amount: 9000.0}}, expect: deny, by: payment-over-5000}
"""
BROKE = "409 from ledger.internal: the invoice is booked already"


class Clock(FrozenClock):
    """Told what time it is; it never goes back."""

    def go(self, at_ns: int) -> None:
        self._now_ns = max(self._now_ns, at_ns)


@dataclass
class Town:
    """A filled ledger, with the ids of what is worth looking at by plain names."""

    ledger: Path
    config: dict[str, Any]
    ids: dict[str, str] = field(default_factory=dict)
    theirs: list[str] = field(default_factory=list)  # ids that only the other tenant may see

    def __getitem__(self, name: str) -> str:
        return self.ids[name]


def plain(word: str) -> str:
    return word


def build(place: Path, said: Said = plain) -> Town:
    """Fill a ledger below a folder."""
    now = datetime.fromtimestamp(SYSTEM.now_ns() / NS, UTC)
    this = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    before = (this - timedelta(days=1)).replace(day=1)
    clock = Clock(_ns(before + timedelta(days=8)))
    town = Town(place / "ledger", _settle(place, before, said))
    with _work(town, clock, said) as work:
        _month_before(work, this)
    _write_policy(place / "policies", "5000.0", said)  # the second version
    with _work(town, clock, said) as work:
        _this_month(work, now)
    return town


@dataclass
class Work:
    """A town in the making."""

    town: Town
    desk: Desk
    clock: Clock
    said: Said
    up: Upstream
    reader: Reader
    outcomes: OutcomeDesk
    client: Any
    tools: Mapping[str, Callable[..., Any]]

    def ask(self, text: str, system: str, model: str = "gpt-4o", **more: Any) -> dict[str, Any]:
        """A call of a model; what it says decides which tools it wants (see `_answer`)."""
        messages = [{"role": "system", "content": system}, {"role": "user", "content": text}]
        offered = [{"type": "function", "function": {"name": name, "parameters": {}}} for name in self.tools]
        asked = {"model": model, "max_tokens": 200, "messages": messages, "tools": offered, **more}
        reply = self.client.post("/v1/chat/completions", json=asked)
        reply.raise_for_status()
        found: dict[str, Any] = reply.json()
        return found

    def refund(self, name: str, customer: str, tokens: int = 4_000, tenant: str = OURS, claim: bool = True) -> str:
        """A refund that went well; returns the outcome."""
        self.clock.tick(HOUR)
        said, key = self.said, ""
        with self.run("refund-desk", customer, tenant) as run, run.agent(said("lookup")) as lookup:
            self.tools["read_order"](order=said(name))
            self.clock.tick(2)
            with lookup.agent(said("writer")):
                self.ask(f"tokens {tokens} {said(f'Refund for {name}, please.')}", said("You answer complaints."))
            if claim:
                key = run.claim("refund.resolved", subject=said(name), evidence={"paid": True, "note": said("note")})
        self.town.ids[f"run {name}"] = run.id
        self.town.ids[name] = key
        if tenant != OURS:
            self.town.theirs += [run.id, *filter(None, [key])]
        return key

    @contextmanager
    def run(self, workflow: str, customer: str, tenant: str = OURS, **more: Any) -> Iterator[Run]:
        """A run that takes a few seconds; what it dies of is on record."""
        made = Run(self.said(workflow), customer=self.said(customer), tenant=tenant, user=self.said("ann"), **more)
        with suppress(Refused, RuntimeError), made as run:
            yield run
            self.clock.tick(1)

    def match(self, name: str, system: str, amount: float, breaks: bool = False) -> str:
        """An invoice matched, booked and paid; returns the run."""
        self.clock.tick(600)
        said = self.said
        with self.run("invoice-matching", "bolt") as run, run.agent(said("clerk")) as clerk:
            self.ask(said(f"Match invoice {name}: order 7, delivery 9."), system)
            self.clock.tick(1.5)
            with clerk.agent(said("booking")):
                self.ask(said(f"Book invoice {name}."), system)
                self.tools["book_invoice"](invoice=said("already booked" if breaks else name), amount=amount)
            with clerk.agent(said("payments")):
                self.tools["pay_invoice"](invoice=said(name), amount=amount)
        self.town.ids[f"run {name}"] = run.id
        return run.id


@contextmanager
def _work(town: Town, clock: Clock, said: Said) -> Iterator[Work]:
    before = None
    with Upstream(lambda asked: _answer(asked, said)) as up, Desk.open(town.ledger, town.config, clock) as desk:
        before = set_desk(desk)
        client = wrap(httpx.Client(base_url=up.url, trust_env=False, timeout=60))
        try:
            with Reader.open(town.ledger) as reader:
                outcomes = OutcomeDesk(desk, lambda: reader)
                yield Work(town, desk, clock, said, up, reader, outcomes, client, _tools(clock, said))
        finally:
            client.close()
            set_desk(before)


def _month_before(work: Work, this: datetime) -> None:
    """Four refunds and their invoice, under the policies of then; one of another tenant."""
    for nth in range(1, 5):
        work.refund(f"order-{nth}", "acme")
    work.refund("order-5", "bolt")
    work.refund("foreign-1", "acme", tenant=THEIRS)
    work.match("inv-0", work.said("Match, book, pay."), 80.0)
    work.outcomes.work()
    work.clock.go(_ns(this) + NS)
    keeper = keep_books(work.desk, work.reader, work.outcomes)
    for invoice in close(keeper, f"{this - timedelta(days=1):%Y-%m}", early=True):
        whose = "acme" if invoice.customer == work.said("acme") else "bolt"
        name = f"invoice {whose if invoice.tenant == OURS else 'foreign'}"
        work.town.ids[name] = invoice.number
        if name == "invoice bolt":
            settle.credit(
                keeper,
                invoice.number,
                parse_money("0.10 USD"),
                work.said("wrong address"),
                work.said("letters"),
                by="vera",
            )
    work.clock.tick(2)


def _this_month(work: Work, now: datetime) -> None:
    """Refunds that cost more than before, one disputed; a payment denied, one held, a run that broke, one under way."""
    ids, said, clock, tools = work.town.ids, work.said, work.clock, work.tools
    clock.go(_ns(now - timedelta(days=2)))
    for nth in range(6, 9):
        work.refund(f"order-{nth}", "acme", tokens=60_000)
    work.refund("foreign-2", "acme", tenant=THEIRS)
    work.outcomes.work()
    dispute = More(said("The customer never got the money."))
    say(work.outcomes.registry, "dispute", ids["order-2"], Speaker(said("acme"), "customer"), dispute)
    say(work.outcomes.registry, "reject", ids["order-8"], Speaker("vera", "human"), More(said("Not ours.")))
    clock.go(_ns(now - timedelta(hours=20)))
    good = said("Match invoice and delivery. Look whether it is booked already before you book it.")
    work.match("inv-1", good, 120.0)
    work.match("inv-2", said("Match invoice and delivery. Be quick."), 120.0, breaks=True)
    work.match("inv-3", good, 7_400.0)  # denied
    work.match("inv-4", good, 2_400.0)  # waits for finance
    with work.run("refund-desk", "acme") as run, run.agent(said("lookup")):
        ids["run leaky"] = run.id
        work.ask(
            f"{said('Write to ada@example.com')}, her card is 4111 1111 1111 1111.", said("You answer complaints.")
        )
    with work.run("invoice-matching", "bolt", budget="0.01 USD") as run, run.agent(said("clerk")):
        ids["run greedy"] = run.id
        for _ in range(4):
            work.ask("tokens 4000 " + said("Look again."), good)
    with work.run("refund-desk", "tern") as run, run.agent(said("lookup")):
        ids["run loop"] = run.id
        for _ in range(7):
            clock.tick(1)
            tools["read_order"](order=said("lost"))
    _house(work)
    clock.go(_ns(now - timedelta(minutes=2)))
    copy_context().run(_begin, work)
    work.outcomes.work()


def _begin(work: Work) -> None:
    """A run that nobody ends."""
    run = Run(work.said("refund-desk"), customer=work.said("acme"), desk=work.desk)
    work.town.ids["run open"] = run.__enter__().id
    with run.agent(work.said("lookup")):
        work.ask(work.said("One moment."), work.said("You answer complaints."))


def _house(work: Work) -> None:
    """Keys, orders and people."""
    desk, clock, said = work.desk, work.clock, work.said
    issued, _ = keys.issue(
        desk.ledger, clock, keys.Key("", OURS, agent=said("lookup"), name=said("edge")), said("vera")
    )
    work.town.ids["key"] = issued.id
    foreign, _ = keys.issue(desk.ledger, clock, keys.Key("", THEIRS, name="foreign-key"), "vera")
    work.town.theirs.append(foreign.id)
    orders.kill(desk.ledger, clock, orders.Target("agent", said("courier"), OURS), "vera", said("It ran wild."))


def _answer(asked: Received, said: Said) -> Say:
    """The model: so many tokens as it was told, and a tool call where an invoice is to be booked."""
    words = asked.last.split()
    tokens = int(words[1]) if words[:1] == ["tokens"] else 900
    usage = {"prompt_tokens": tokens, "completion_tokens": tokens // 20, "total_tokens": tokens + tokens // 20}
    if "Find order" in asked.last:
        return Say(calls=[Use("read_order", {"order": said("order")})], usage=usage)
    return Say(said("It is done: the money is on its way."), usage=usage)


def _tools(clock: Clock, said: Said) -> Mapping[str, Callable[..., Any]]:
    @tool(name="read_order")
    def read_order(order: str) -> str:
        clock.tick(0.4)
        return json.dumps({"order": order, "note": said("Leave it at the door.")})

    @tool(effect="write", name="book_invoice")
    def book_invoice(invoice: str, amount: float) -> str:
        clock.tick(0.7)
        if invoice == said("already booked"):
            raise RuntimeError(said(BROKE))
        return "booked"

    @tool(effect="external", name="pay_invoice")
    def pay_invoice(invoice: str, amount: float) -> str:
        clock.tick(0.3)
        return "paid"

    return {"read_order": read_order, "book_invoice": book_invoice, "pay_invoice": pay_invoice}


def _settle(place: Path, began: datetime, said: Said) -> dict[str, Any]:
    """Policies, an outcome type, contracts."""
    policies, types, contracts = place / "policies", place / "outcomes", place / "contracts"
    for folder in (policies, types, contracts):
        folder.mkdir(parents=True)
    _write_policy(policies, "6000.0", said)
    type = {
        "outcome": "refund.resolved",
        "means": said("A refund was resolved."),
        "checks": [{"id": "paid", "by": "cel", "when": "evidence.paid == true"}],
        "dispute": "60d",
        "resolve": "30d",
    }
    _write(types / "refund.yaml", type)
    for tenant, customer in ((OURS, "acme"), (OURS, "bolt"), (THEIRS, "acme")):
        _write(contracts / f"{tenant}-{customer}.yaml", _contract(tenant, customer, began, said))
    return {
        "policies": [str(policies)],
        "outcomes": [str(types)],
        "contracts": [str(contracts)],
        "fx": {"EUR/USD": "1.08", "USD/EUR": "0.93"},
    }


def _contract(tenant: str, customer: str, began: datetime, said: Said) -> dict[str, Any]:
    return {
        "contract": f"{tenant}-{customer}",
        "tenant": tenant,
        "customer": said(customer),
        "from": f"{began:%Y-%m-%d}",
        "currency": "USD",
        "seller": {"name": said("Orchestra Labs"), "address": [said("12 Quay St, Dublin")]},
        "buyer": {"name": said(customer.title()), "address": [said("400 Main St, Boston")]},
        "outcomes": {"refund.resolved": {"title": said("Refund resolved"), "price": "1.50"}},
        "seats": [{"name": said("Agent seats"), "count": 1, "price": 2, "agents": [said("lookup")]}],
        "discounts": [{"name": said("Launch"), "percent": 10}],
        "tax": {"name": said("VAT"), "percent": 20, "note": said("reverse charge")},
    }


def _write_policy(folder: Path, limit: str, said: Said) -> None:
    words = {
        "DENIED": "Agents pay at most 5,000 USD. Pass the invoice on.",
        "ASKED": "Payments above 1,000 USD need somebody of finance.",
        "WHAT": "What if everything above 300 USD went to a person?",
    }
    text = POLICY.replace("LIMIT", limit)
    for word, meant in words.items():
        text = text.replace(f"because: {word}", f"because: {json.dumps(said(meant))}")
    remark = "".join(c for c in said("What agents may pay.") if c.isprintable())
    (folder / "payments.yaml").write_text(f"# {remark}\n{text}", encoding="utf-8")


def _write(file: Path, document: Mapping[str, Any]) -> None:
    file.write_text(yaml.safe_dump(dict(document), sort_keys=False), encoding="utf-8")


def _ns(moment: datetime) -> int:
    return int(moment.timestamp()) * NS
