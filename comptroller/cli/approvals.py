"""`comptroller approvals`: the queue of held calls, and the answers to them."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from comptroller.cli import item, screen
from comptroller.cli.main import Json, Ledger, Misuse
from comptroller.cli.people import caller
from comptroller.cli.place import desk_of, ledger_of, reading
from comptroller.cli.spend import span_of
from comptroller.core.approval import Approval
from comptroller.office.approval_list import asked_within, counted, described, shadows_of, told
from comptroller.office.approvals import STATES, ApprovalDesk, Approver, Heard
from comptroller.office.approvers import approver_named
from comptroller.office.roll import Roll

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="See which calls wait for a person, and answer.")
Id = Annotated[str, typer.Argument(metavar="APPROVAL", help="Its id, or a unique beginning of it.")]
Because = Annotated[str, typer.Option("--because", metavar="TEXT", help="Why; it goes on record.")]
Who = Annotated[str, typer.Option("--as", metavar="NAME", help="Who answers; else the user of this machine.")]
Digest = Annotated[
    str, typer.Option("--digest", metavar="HEX", help="Of the call you have looked at; another one is not answered.")
]


@app.command("ls")
def ls(
    state: Annotated[
        str, typer.Option("--state", metavar="WORD", help=f"Only those that are so: {', '.join(STATES)}.")
    ] = "",
    rule: Annotated[str, typer.Option("--rule", metavar="ID", help="Only those this rule asks for.")] = "",
    by_rule: Annotated[bool, typer.Option("--by-rule", help="How often each rule asked, and what came of it.")] = False,
    since: Annotated[str, typer.Option("--since", metavar="DAY", help="Asked from this day on (UTC).")] = "",
    until: Annotated[str, typer.Option("--until", metavar="DAY", help="Up to this day, itself included (UTC).")] = "",
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="At most so many.")] = 50,
    ledger: Ledger = "",
    as_json: Json = False,
) -> None:
    """List approvals, the latest first."""
    if state and state not in STATES:
        raise Misuse(f"--state {state!r}: say one of {', '.join(STATES)}.")
    if by_rule:
        _say_rules(_by_rule(ledger, rule, since, until), as_json)
        return
    with office(ledger) as desk:
        known = asked_within(desk.all(), *span_of(since, until))
        found = [each for each in known if state in ("", each.state) and rule in ("", each.rule)]
    heads = ("APPROVAL", "ASKED (UTC)", "RULE", "WHAT", "AGENT", "CUSTOMER", "STATE", "BY", "UNTIL (UTC)")
    none = "No approvals that match." if state or rule else "Nothing was asked yet."
    item.say_list(found[:limit], heads, _listed, described, none, as_json)


@app.command("show")
def show(id: Id, ledger: Ledger = "", as_json: Json = False) -> None:
    """Tell what one is about, and all that was said of it."""
    with office(ledger) as desk:
        whole = told(desk, meant(desk, id), texts=True)
    if as_json:
        screen.say_json(whole)
        return
    item.say_fields(whole, *_TOLD)
    if whole["outdated"]:
        screen.say("The policies have changed since it was asked for, so no answer counts any more.")
    _say_request(whole)
    item.say_history(whole["history"], "event", "by")


@app.command("approve")
def approve(
    id: Id,
    edit: Annotated[
        str,
        typer.Option("--edit", metavar="FILE", help="Approve it with these arguments instead: JSON, `-` for stdin."),
    ] = "",
    because: Because = "",
    who: Who = "",
    digest: Digest = "",
    ledger: Ledger = "",
    as_json: Json = False,
) -> None:
    """Approve a call: the same call passes once. With --edit, it is made with other arguments."""
    args = _arguments(edit) if edit else None
    with office(ledger) as desk:
        heard = desk.answer(meant(desk, id), "approve", _approver(desk, who), because, edit=args, digest=digest)
    _tell(heard, as_json)


@app.command("deny")
def deny(
    id: Id, because: Because = "", who: Who = "", digest: Digest = "", ledger: Ledger = "", as_json: Json = False
) -> None:
    """Deny a call."""
    with office(ledger) as desk:
        heard = desk.answer(meant(desk, id), "deny", _approver(desk, who), because, digest=digest)
    _tell(heard, as_json)


@app.command("escalate")
def escalate(
    id: Id,
    to: Annotated[list[str], typer.Option("--to", metavar="NAME", help="A role or a person; repeat for more.")],
    because: Because = "",
    who: Who = "",
    ledger: Ledger = "",
    as_json: Json = False,
) -> None:
    """Let others answer as well, with the whole time."""
    with office(ledger) as desk:
        heard = desk.escalate(meant(desk, id), to, _approver(desk, who), because)
    _tell(heard, as_json)


@app.command("delegate")
def delegate(
    id: Id,
    to: Annotated[str, typer.Option("--to", metavar="NAME", help="Who answers instead.")],
    because: Because = "",
    who: Who = "",
    ledger: Ledger = "",
    as_json: Json = False,
) -> None:
    """Hand your own answer over to somebody else."""
    with office(ledger) as desk:
        heard = desk.delegate(meant(desk, id), to, _approver(desk, who), because)
    _tell(heard, as_json)


# -- what the commands share


@contextmanager
def office(ledger: str) -> Iterator[ApprovalDesk]:
    """The approvals of a ledger, as of now."""
    with desk_of(ledger) as desk:
        yield ApprovalDesk(desk).catch_up()


def meant(desk: ApprovalDesk, named: str) -> Approval:
    """The one that is meant."""
    return item.meant(desk.meant(named), named, "approval", "approvals", lambda each: each.id)


def _approver(desk: ApprovalDesk, named: str) -> Approver:
    at = desk.desk
    roll = Roll(Path(at.settings.ledger), at.ledger.digest)
    return approver_named(named or caller(), at.settings.tenant, roll.now())


def _arguments(place: str) -> dict[str, object]:
    try:
        said = json.loads(sys.stdin.read() if place == "-" else Path(place).read_text("utf-8"))
    except OSError as error:
        raise Misuse(f"--edit {place}: cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise Misuse(f"--edit {place}: this is not JSON: {error}. Write the arguments like {_LIKE}.") from None
    if not isinstance(said, dict):
        raise Misuse(f"--edit {place}: this is JSON, but no object. Write the arguments like {_LIKE}.")
    return said


_LIKE = """{"order": "1", "amount": 80}"""


def _tell(heard: Heard, as_json: bool) -> None:
    approval = heard.approval
    item.say_done(approval.id, approval.state, heard.not_done, described(approval), as_json, _left(approval))


def _left(approval: Approval) -> str:
    """What is still missing."""
    if approval.state != "pending" or approval.quorum < 2:
        return ""
    votes = [vote.edit for vote in approval.votes if vote.answer == "approve"]
    most = max((votes.count(edit) for edit in votes), default=0)
    return f"  {most} of {approval.quorum} agree"


def _say_request(whole: dict[str, Any]) -> None:
    if whole["request"] is None:
        screen.say("What it is about was not kept, or was erased." if not whole["kept"] else "It was erased.")
        return
    screen.say()
    _say_block(whole["request"])
    for edit in whole["edits"]:
        screen.say(f"{screen.clean(edit['person'])} approves it with:")
        _say_block(edit["args"])


def _say_block(value: object) -> None:
    for line in json.dumps(value, indent=2, ensure_ascii=False).splitlines():
        screen.say(f"  {screen.clean(line)}")


def _say_rules(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        screen.say_json(rows)
        return
    if not rows:
        screen.say("No rule asked anybody in this time, and none in shadow would have.")
        return
    heads = ("RULE", "ASKED", "WOULD ASK", "WAITING", "APPROVED", "MADE", "DENIED", "UNANSWERED", "VOID", "EDITED",
             "ANSWERED IN")  # fmt: skip
    names = ("asked", "would_ask", "pending", "agreed", "used", "denied", "unanswered", "void", "edited")
    cells = [
        [screen.short(row["rule"], 40), *(str(row[name]) for name in names), _seconds(row["median_answer_s"])]
        for row in rows
    ]
    screen.table(heads, cells, right=tuple(range(1, len(heads))))


def _by_rule(ledger: str, rule: str, since: str, until: str) -> list[dict[str, Any]]:
    """Those in shadow ask nobody: how often they would have is in the books."""
    begun, ended = span_of(since, until)
    with office(ledger) as desk:
        asked = asked_within(desk.all(), begun, ended)
    with reading(ledger_of(ledger)) as reader:
        shadows = shadows_of(reader, begun, ended)
    return [row for row in counted(asked, shadows) if rule in ("", row["rule"])]


def _seconds(said: int | None) -> str:
    return "-" if said is None else f"{said} s" if said < 120 else f"{said // 60} min"


_TOLD = (
    "approval", "state", "ended", "rule", "because", "policy", "place", "stage", "name", "run", "agent", "customer",
    "user", "workflow", "key", "of", "quorum", "until", "otherwise", "digest", "used_in",
)  # fmt: skip


def _listed(approval: Approval) -> list[str]:
    row = described(approval)
    by = ", ".join(vote.person for vote in approval.votes)
    return [
        approval.id[: item.SHORT],
        str(row["asked"])[:19].replace("T", " "),
        screen.short(approval.rule, 28),
        screen.short(approval.name or approval.stage, 28),
        screen.short(approval.agent, 20) or "-",
        screen.short(approval.customer, 20) or "-",
        screen.status(approval.state),
        screen.short(by, 24) or "-",
        str(row["until"] or "-")[:19].replace("T", " "),
    ]
