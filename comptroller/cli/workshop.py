"""The policy workshop: the commands of `comptroller policy` that explain, compare and try policies out."""

from typing import Annotated

import typer

from comptroller.cli.main import Json, Ledger
from comptroller.cli.policy import AskJudges, app

__all__ = ["app"]

Policies = Annotated[
    list[str] | None,
    typer.Option("--policies", metavar="PATH", help="Files, folders or pack:NAME; repeat for more."),
]


@app.command()
def explain(
    call: Annotated[
        str,
        typer.Argument(metavar="CALL", help="A call's id; or a call as JSON or YAML, in a file or here; `-` reads."),
    ],
    policies: Policies = None,
    ledger: Ledger = "",
    ask_judges: AskJudges = False,
    as_json: Json = False,
) -> None:
    """Say which rules matched a call and why, and the least that would let it pass; exit 1 where it is refused."""
    from comptroller.cli import explaining

    explaining.explain(call, policies, ledger, as_json, ask_judges)


Since = Annotated[str, typer.Option("--since", metavar="DAY", help="Runs with a call from this day on (UTC).")]
Until = Annotated[str, typer.Option("--until", metavar="DAY", help="Up to this day, itself included (UTC).")]
Limit = Annotated[int, typer.Option("--limit", metavar="N", min=0, help="Tell at most so many calls one by one.")]


@app.command()
def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="A file, folder, pack:NAME or recorded version.")],
    after: Annotated[str, typer.Argument(metavar="B", help="What to hold against it.")],
    calls: Annotated[
        str, typer.Option("--calls", metavar="LEDGER|FILE", help="Calls to ask both about: a ledger's, or JSON lines.")
    ] = "",
    since: Since = "",
    until: Until = "",
    limit: Limit = 20,
    ledger: Ledger = "",
    as_json: Json = False,
) -> None:
    """Say what two policies differ in by meaning, and which calls they would decide otherwise."""
    from comptroller.cli import comparing

    comparing.diff(before, after, calls, since, until, ledger, limit, as_json)


@app.command()
def backtest(
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PATH...", help="The draft; without any, those of comptroller.yaml.")
    ] = None,
    since: Since = "",
    until: Until = "",
    limit: Limit = 20,
    ledger: Ledger = "",
    ask_judges: AskJudges = False,
    as_json: Json = False,
) -> None:
    """Put recorded traffic through a draft: what would change, in decisions and in money."""
    from comptroller.cli import comparing

    comparing.try_on_record(paths, since, until, ledger, limit, as_json, ask_judges)


@app.command()
def bundle(
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PATH...", help="What to sign; without any, that of comptroller.yaml.")
    ] = None,
    out: Annotated[str, typer.Option("--out", metavar="FILE", help="Where to: NAME.bundle.")] = "policies.bundle",
    ledger: Ledger = "",
    as_json: Json = False,
) -> None:
    """Sign policy files with the ledger's key, once they load and their tests pass."""
    from comptroller.cli import bundling

    bundling.bundle(paths, out, ledger, as_json)


@app.command()
def verify(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The bundle.")],
    key: Annotated[
        list[str] | None,
        typer.Option("--key", metavar="FILE", help="A trusted public key; else those of the settings."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check who signed a bundle, and what is in it; exit 1 where nobody trusted did."""
    from comptroller.cli import bundling

    bundling.verify(file, key, as_json)


@app.command()
def evidence(
    control: Annotated[str, typer.Option("--control", metavar="GLOB", help="Only these: `SOC2.*`.")] = "",
    since: Annotated[str, typer.Option("--since", metavar="DAY", help="From this day on (UTC).")] = "",
    until: Until = "",
    ledger: Ledger = "",
    as_json: Json = False,
) -> None:
    """List per control which rules were in force in a period, and how often they spoke."""
    from comptroller.cli import evidencing

    evidencing.evidence(control, since, until, ledger, as_json)
