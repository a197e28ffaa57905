"""`comptroller policy judge`: a transcript in, a decision for each of its calls out."""

import sys

import msgspec
import typer

from comptroller.guardrails.chain import Chain
from comptroller.guardrails.guard import installed_guards
from comptroller.office.judging import Examiner
from comptroller.policies.book import Book


def judge(book: Book, agent: str, workflow: str) -> None:
    """Judge standard input line by line; each row is out before the next line is read, for whoever waits for it."""
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
