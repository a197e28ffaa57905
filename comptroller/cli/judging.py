"""`comptroller policy judge` and `policy learn`: decisions on a transcript, and a policy out of recorded runs."""

import sys
from collections.abc import Sequence

import msgspec
import typer

from comptroller.cli.main import Misuse
from comptroller.cli.place import ledger_of, reading
from comptroller.cli.runs import meant
from comptroller.guardrails.chain import Chain
from comptroller.guardrails.guard import installed_guards
from comptroller.office.judging import Examiner
from comptroller.policies.book import Book


def judge(book: Book, agent: str, workflow: str) -> None:
    """Judge standard input line by line; each row is out before the next line is read, for whoever waits for it."""
    if not workflow and (elsewhere := [f"`{policy.name}`" for policy in book.policies if not policy.workflows("")]):
        said = f"No --workflow is said, so these policies do not look at these runs: {', '.join(elsewhere)}."
        typer.echo(said, err=True)
    examiner = Examiner(book, Chain(installed_guards()), agent, workflow)
    out, encode = sys.stdout.buffer, msgspec.json.encode
    unread = 0
    for row in examiner.judge(sys.stdin.buffer):
        if row["rule"] == "transcript":
            unread += 1
            typer.echo(f"line {row['line']}: {row['because']}", err=True)
        out.write(encode(row) + b"\n")
        out.flush()
    if unread:
        raise typer.Exit(2)


def learn(runs: Sequence[str], name: str, ledger: str) -> None:
    """Print a draft; what could not be read of the runs is said beside it."""
    from comptroller.office.account import gather
    from comptroller.office.learning import draft, seen_in
    from comptroller.office.transcript import transcript
    from comptroller.store.bodies import Bodies

    place = ledger_of(ledger)
    vault, told, lost = Bodies.open(place), [], 0
    with reading(place) as reader:
        for id in dict.fromkeys(meant(reader, run) for run in runs):
            account = gather(reader, id)
            events, missing = transcript(account, vault)
            told.append((account, events))
            lost += missing
    tools = seen_in(told)
    if not tools:
        raise Misuse("No tool was called in these runs, or their texts were not kept. Name others with --from.")
    typer.echo(draft(name, tools, len(told)), nl=False)
    if lost:
        typer.echo(f"{lost} messages could not be read: kept as a digest only, or erased.", err=True)
