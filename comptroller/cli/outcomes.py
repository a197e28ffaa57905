"""`comptroller outcomes`: what agents achieved, from the claim to the last word on it."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from comptroller.cli import item, screen
from comptroller.cli.main import Json, Ledger, Misuse
from comptroller.cli.outcomes_findings import findings
from comptroller.cli.people import caller
from comptroller.cli.place import desk_of, ledger_of
from comptroller.core.call import Identity
from comptroller.core.outcome import Outcome
from comptroller.office.books import Books
from comptroller.office.links import LIVES_NS, write_link
from comptroller.office.outcome_desk import OutcomeDesk
from comptroller.office.outcome_list import described, told
from comptroller.office.saying import More, Speaker, say
from comptroller.policies.amounts import read_duration
from comptroller.store.reader import Reader
from comptroller.wrapper.boundary import Boundary
from comptroller.wrapper.context import RunState, Scope
from comptroller.wrapper.dataflow import OTHERS
from comptroller.wrapper.desk import Desk
from comptroller.wrapper.run import claim as put_on_record

HELP = "See what agents achieved, and have your say on it."
app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=HELP)
Key = Annotated[str, typer.Argument(metavar="OUTCOME", help="Its id (the claim's), or a unique beginning of it.")]
Because = Annotated[str, typer.Option("--because", metavar="TEXT", help="Why; it goes on record.")]
Who = Annotated[str, typer.Option("--as", metavar="NAME", help="Who says so; else the user of this machine.")]
Amount = Annotated[str, typer.Option("--amount", metavar="MONEY", help="Of the fee: `1.50 USD`; else all of it.")]
_LIKE = """'{"decision": "approved"}'"""


@app.command("ls")
def ls(
    state: Annotated[str, typer.Option("--state", metavar="WORD", help="Only those that are so: `pending`.")] = "",
    type: Annotated[str, typer.Option("--type", metavar="NAME", help="Only of this type.")] = "",
    customer: Annotated[str, typer.Option("--customer", metavar="NAME", help="Only for this customer.")] = "",
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="At most so many.")] = 50,
    ledger: Ledger = "",
    as_json: Json = False,
) -> None:
    """List outcomes, the latest claim first."""
    wanted = {"state": state, "type": type, "customer": customer}
    with office(ledger) as desk:
        found = [each for each in desk.registry.outcomes.values() if _fits(each, wanted)]
        found = sorted(found, key=lambda each: (each.claimed_at, each.key), reverse=True)[:limit]
        unknown = sorted({str(fact.data.get("type")) for fact in desk.examiner.intake.unknown.values()})
    heads = ("OUTCOME", "CLAIMED (UTC)", "TYPE", "SUBJECT", "CUSTOMER", "STATE", "BY", "FEE")
    none = "No outcomes that match." if any(wanted.values()) else "No outcomes yet."
    item.say_list(found, heads, _listed, described, none, as_json, right=(7,))
    if unknown and not as_json:
        names = ", ".join(screen.clean(name) for name in unknown)
        screen.say(f"Claimed, but no outcome type of `outcomes` in comptroller.yaml: {names}.")


@app.command("show")
def show(key: Key, ledger: Ledger = "", as_json: Json = False) -> None:
    """Tell the whole life of an outcome."""
    with office(ledger) as desk:
        outcome = meant(desk, key)
        whole = told(outcome, desk.registry.events(outcome.key))
    if as_json:
        screen.say_json(whole)
        return
    item.say_fields(whole, *_TOLD, fee=f" {whole['currency']}")
    events: Any = whole["events"]
    item.say_history(events, "type", "actor")


@app.command("claim")
def claim(
    type: Annotated[str, typer.Argument(metavar="TYPE", help="The outcome type.")],
    subject: Annotated[str, typer.Option("--subject", metavar="ID", help="What it is about: a ticket, a case.")],
    run: Annotated[str, typer.Option("--run", metavar="RUN", help="The run that reached it.")] = "",
    customer: Annotated[str, typer.Option("--customer", metavar="NAME", help="For whom; else the run's.")] = "",
    agent: Annotated[str, typer.Option("--agent", metavar="NAME", help="Who performed it.")] = "",
    evidence: Annotated[
        str, typer.Option("--evidence", metavar="JSON", help="What shows it: an object, or @FILE.")
    ] = "{}",
    degree: Annotated[str, typer.Option("--degree", metavar="SHARE", help="How much of it was reached: `0.5`.")] = "1",
    ledger: Ledger = "",
    as_json: Json = False,
) -> None:
    """Claim an outcome."""
    shown = _object(evidence)
    with office(ledger) as desk:
        at = desk.registry.desk
        identity = _identity(Path(at.settings.ledger), at, run, customer, agent)
        scope = Scope(identity, RunState(identity.run, identity.run, Boundary()))
        scope.run.flow.lose(OTHERS)
        made = put_on_record(at, scope, type, subject, shown, degree)
        desk.work()
        outcome = desk.registry.outcomes.get(made)
    if as_json:
        screen.say_json(described(outcome) if outcome else {"outcome": made, "state": "unknown type"})
    else:
        state = screen.clean(outcome.state) if outcome else f"on record; no type is called {screen.clean(type)} yet"
        screen.say(f"{made}  {state}")


@app.command("confirm")
def confirm(
    key: Key,
    by: Annotated[str, typer.Option("--by", metavar="HOW", help="customer, human or third_party.")] = "human",
    who: Who = "",
    because: Because = "",
    degree: Annotated[str, typer.Option("--degree", metavar="SHARE", help="How much was reached: `0.5`.")] = "",
    link: Annotated[bool, typer.Option("--link", help="Make a link for the customer instead.")] = False,
    expires: Annotated[str, typer.Option("--expires", metavar="TIME", help="When the link ends: `14d`.")] = "",
    ledger: Ledger = "",
    as_json: Json = False,
) -> None:
    """Attest an outcome, or make the link by which its customer does."""
    if by not in ("customer", "human", "third_party"):
        raise Misuse(f"--by {by!r}: say customer, human or third_party.")
    if link:
        _make_link(key, expires, ledger, as_json)
        return
    speaker = Speaker(who or caller(), by)  # type: ignore[arg-type]
    _say("confirm", key, speaker, More(because=because, degree=degree), ledger, as_json)


@app.command("reject")
def reject(key: Key, who: Who = "", because: Because = "", ledger: Ledger = "", as_json: Json = False) -> None:
    """Say that it was not reached."""
    _say("reject", key, Speaker(who or caller()), More(because=because), ledger, as_json)


@app.command("dispute")
def dispute(
    key: Key,
    who: Who = "",
    because: Because = "",
    evidence: Annotated[str, typer.Option("--evidence", metavar="JSON", help="What shows it: an object.")] = "",
    ledger: Ledger = "",
    as_json: Json = False,
) -> None:
    """Dispute it, or add evidence to what is claimed or disputed already."""
    more = More(because=because, evidence=_object(evidence) if evidence else None)
    with office(ledger) as desk:
        disputed = meant(desk, key).state in ("disputed", "disputed_unbilled")
    _say("evidence" if disputed else "dispute", key, Speaker(who or caller()), more, ledger, as_json)


@app.command("resolve")
def resolve(
    key: Key,
    upheld: Annotated[bool, typer.Option("--upheld/--denied", help="Whether the customer was right.")],
    amount: Amount = "",
    who: Who = "",
    because: Because = "",
    ledger: Ledger = "",
    as_json: Json = False,
) -> None:
    """Decide a dispute."""
    word = "uphold" if upheld else "deny"
    _say(word, key, Speaker(who or caller()), More(because=because, amount=amount), ledger, as_json)


@app.command("reopen")
def reopen(
    key: Key,
    who: Who = "",
    because: Because = "",
    takeover: Annotated[bool, typer.Option("--takeover", help="A person took over before it was attested.")] = False,
    duplicate_of: Annotated[
        str, typer.Option("--duplicate-of", metavar="OUTCOME", help="It is the same as another.")
    ] = "",
    ledger: Ledger = "",
    as_json: Json = False,
) -> None:
    """Say that its subject came back, that a person took over, or that it is a duplicate."""
    word = "duplicate" if duplicate_of else "takeover" if takeover else "reopen"
    _say(word, key, Speaker(who or caller()), More(because=because, of=duplicate_of), ledger, as_json)


@app.command("clawback")
def clawback(
    key: Key,
    reason: Annotated[str, typer.Option("--reason", metavar="NAME", help="One that the contract claws back for.")],
    amount: Amount = "",
    who: Who = "",
    because: Because = "",
    ledger: Ledger = "",
    as_json: Json = False,
) -> None:
    """Give a final fee back, or part of it, for a reason of the contract."""
    _say(
        "clawback", key, Speaker(who or caller()), More(because=because, amount=amount, reason=reason), ledger, as_json
    )


# -- what the commands share


@contextmanager
def office(ledger: str) -> Iterator[OutcomeDesk]:
    """The outcomes of a ledger, after all work on them that is due."""
    place = ledger_of(ledger)
    with ExitStack() as stack:
        desk = stack.enter_context(desk_of(ledger))

        def books() -> Books:
            return stack.enter_context(Reader.open(place))

        made = OutcomeDesk(desk, books)
        made.work()
        yield made


def meant(desk: OutcomeDesk, named: str) -> Outcome:
    """The one outcome that is meant."""
    return item.meant(desk.meant(named), named, "outcome", "outcomes", lambda outcome: outcome.key)


def _say(word: str, key: str, who: Speaker, more: More, ledger: str, as_json: bool) -> None:
    with office(ledger) as desk:
        said = say(desk.registry, word, meant(desk, key).key, who, more)
        desk.work()
        now = desk.registry.outcomes[said.outcome.key]
    item.say_done(now.key, now.state, said.ignored, {**described(now), "event": said.event}, as_json)


def _make_link(key: str, expires: str, ledger: str, as_json: bool) -> None:
    try:
        lives = round(read_duration(expires) * 1_000_000_000) if expires else LIVES_NS
    except ValueError as error:
        raise Misuse(f"--expires: {error}.") from None
    with office(ledger) as desk:
        outcome, at = meant(desk, key), desk.registry.desk
        path = f"/api/confirm/{write_link(at.ledger.digest, at.clock, outcome.key, outcome.customer, lives)}"
    if as_json:
        screen.say_json({"outcome": outcome.key, "path": path})
    else:
        screen.say(path)
        screen.say("Put your gateway's address before it and send it to the customer alone: it answers for them.")


def _identity(ledger: Path, desk: Desk, run: str, customer: str, agent: str) -> Identity:
    if not run:
        return Identity(tenant=desk.settings.tenant, customer=customer, agent=agent)
    with Reader.open(ledger) as reader:
        rows = reader.rows("run", run=run, deserted=reader.deserted)
    if not rows:
        raise Misuse(f"There is no run {run!r}. List them with `comptroller runs ls`.")
    fixed: dict[str, Any] = {name: rows[0][name] or "" for name in ("tenant", "customer", "user", "workflow")}
    if customer and fixed["customer"] and customer != fixed["customer"]:
        raise Misuse(f"--customer {customer!r}: the run is for {fixed['customer']!r}. Leave it out.")
    return Identity(**{**fixed, "customer": fixed["customer"] or customer}, agent=agent, run=run)


app.command("findings")(findings)


def _object(text: str) -> dict[str, object]:
    try:
        said = json.loads(Path(text[1:]).read_text("utf-8") if text.startswith("@") else text)
    except (ValueError, UnicodeDecodeError) as error:
        raise Misuse(f'--evidence: this is not JSON: {error}. Write it like \'{{"decision": "approved"}}\'.') from None
    if not isinstance(said, dict):
        raise Misuse('--evidence: this is JSON, but no object. Write it like \'{"decision": "approved"}\'.')
    return said


def _fits(outcome: Outcome, wanted: dict[str, str]) -> bool:
    return all(not said or getattr(outcome, name) == said for name, said in wanted.items())


_TOLD = (
    "outcome", "type", "subject", "customer", "run", "state", "because", "method", "attestor", "fee", "price",
    "contract", "invoice", "claimed", "verified", "billed", "due",
)  # fmt: skip


def _listed(outcome: Outcome) -> list[str]:
    fee = outcome.fee
    return [
        screen.clean(outcome.key[: item.SHORT]),
        str(described(outcome)["claimed"])[:19].replace("T", " "),
        screen.short(outcome.type, 28),
        screen.short(outcome.subject, 28),
        screen.short(outcome.customer, 20) or "-",
        screen.status(outcome.state),
        outcome.method or "-",
        str(fee) if fee else "-",
    ]
