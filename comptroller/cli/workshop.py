"""The policy workshop: the commands of `comptroller policy` that explain, compare and try policies out."""

from typing import Annotated

import typer

from comptroller.cli.main import Json, Ledger
from comptroller.cli.policy import app

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
    as_json: Json = False,
) -> None:
    """Say which rules matched a call and why, and the least that would let it pass; exit 1 where it is refused."""
    from comptroller.cli import explaining

    explaining.explain(call, policies, ledger, as_json)
