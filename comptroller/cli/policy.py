"""`comptroller policy`: check policy files, run the tests inside them, read what was in force from a ledger."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from comptroller.cli.main import Ledger
from comptroller.core.errors import SettingsError
from comptroller.core.settings import Settings, load_settings
from comptroller.policies.book import Book
from comptroller.policies.described import doubts, drafted
from comptroller.policies.mistakes import PolicyErrors
from comptroller.policies.schemas import BadSchemas, Schema, read_schemas
from comptroller.policies.trial import TestOutcome, run_tests, unreached
from comptroller.wrapper.shelf import load_book

app = typer.Typer(no_args_is_help=True, help="Check policy files, run the tests inside them, read past versions.")

Paths = Annotated[
    list[str] | None,
    typer.Argument(metavar="PATH...", help="Files, folders or pack:NAME; without any, those of comptroller.yaml."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


AskJudges = Annotated[
    bool, typer.Option("--ask-judges", help="Ask the judges of judged rules, which costs money; else none is asked.")
]
Described = Annotated[
    list[str] | None,
    typer.Option("--tools", metavar="FILE", help="How tools are described: MCP, OpenAI, Anthropic, OpenAPI; repeat."),
]


@app.command()
def check(paths: Paths = None, tools: Described = None, as_json: AsJson = False) -> None:
    """Say everything that is wrong with the policies; exit 1 where something is."""
    described = _described(tools or [])
    book = load_named(paths, as_json, described)
    found = doubts(book, described)
    if wrong := [str(doubt) for doubt in found if doubt.wrong]:
        _tell_mistakes(wrong, as_json)
        raise typer.Exit(1)
    if as_json:
        files = [{"path": file.path, "digest": file.digest} for file in book.files]
        told = {"ok": True, "version": book.version, "rules": book.rules, "files": files, "mistakes": []}
        _print({**told, "warnings": [str(doubt) for doubt in found]})
    else:
        for doubt in found:
            typer.echo(f"warning: {doubt}", err=True)
        typer.echo(f"ok: {_count(len(book.files), 'file')}, {_count(book.rules, 'rule')}, version {book.version}")


@app.command()
def tools(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="How tools are described.")],
    as_json: AsJson = False,
) -> None:
    """Draft a tool table from how tools are described, for a person to complete."""
    found = _described(files)
    if as_json:
        _print([{"name": one.name, "args": one.args, "reads": one.reads, "digest": one.digest} for one in found])
    else:
        typer.echo(drafted(found), nl=False)


@app.command("test")
def try_out(paths: Paths = None, as_json: AsJson = False) -> None:
    """Run the tests inside the policies; exit 1 where one fails."""
    book = load_named(paths, as_json)
    outcomes = run_tests(book)
    failed = sum(not outcome.passed for outcome in outcomes)
    if as_json:
        told = {"ok": not failed, "version": book.version, "tests": [asdict(outcome) for outcome in outcomes]}
        _print({**told, "unreached": [asdict(rule) for rule in unreached(book, outcomes)]})
    else:
        _tell_outcomes(book, outcomes, failed)
    raise typer.Exit(1 if failed else 0)


@app.command()
def judge(
    policies: Annotated[
        list[str] | None,
        typer.Option("--policies", metavar="PATH", help="Files, folders or pack:NAME; else those of comptroller.yaml."),
    ] = None,
    agent: Annotated[str, typer.Option("--agent", metavar="NAME", help="Judge every call as this agent's.")] = "",
    workflow: Annotated[str, typer.Option("--workflow", metavar="NAME", help="The workflow of all runs.")] = "",
    ask_judges: AskJudges = False,
) -> None:
    """Judge a transcript, a JSON object a line on standard input; exit 2 where a line could not be read."""
    from comptroller.cli import judging
    from comptroller.cli.asking import heard_by

    with heard_by(load_named(policies, False), ask_judges) as book:
        judging.judge(book, agent, workflow)


@app.command()
def learn(
    runs: Annotated[
        list[str], typer.Option("--from", metavar="RUN", help="A good run: an id, a beginning of one, or last; again.")
    ],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="What to call the policy.")] = "learned",
    ledger: Ledger = "",
) -> None:
    """Draft a tool table and agents' lists from recorded good runs, for a person to edit."""
    from comptroller.cli import judging

    judging.learn(runs, name, ledger)


@app.command()
def show(
    version: Annotated[
        str, typer.Argument(metavar="[VERSION]", help="A version or a unique beginning of one; without any, a list.")
    ] = "",
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="At most so many versions in a list.")] = 50,
    ledger: Ledger = "",
    as_json: AsJson = False,
) -> None:
    """Print the policies of a version as a ledger has them, or list the versions that were in force."""
    from comptroller.cli import versions

    versions.show(version, limit, ledger, as_json)


def load_named(paths: Sequence[str] | None, as_json: bool, described: Sequence[Schema] = ()) -> Book:
    """The book as a program would get it: with the guards installed here and the rates of the settings here."""
    try:
        settings = load_settings()
        return load_book(settings, _sources(paths, settings), described)
    except PolicyErrors as error:
        _tell_mistakes(error.mistakes, as_json)
        raise typer.Exit(1) from None
    except SettingsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None


def _described(files: Sequence[str]) -> list[Schema]:
    """The tools that files describe."""
    found = []
    for name in files:
        try:
            found += read_schemas(name, Path(name).read_bytes())
        except OSError as error:
            typer.echo(f"{name}: cannot be read: {error.strerror}. Name a file with descriptions of tools.", err=True)
            raise typer.Exit(2) from None
        except BadSchemas as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(2) from None
    return found


def _sources(paths: Sequence[str] | None, settings: Settings) -> list[str]:
    named = list(paths) if paths else settings.policies
    if not named:
        typer.echo("No policies are named. Give a path, or list them under `policies` in comptroller.yaml.", err=True)
        raise typer.Exit(2)
    absent = [name for name in named if not Path(name).name.startswith("pack:") and not Path(name).exists()]
    for name in absent:
        typer.echo(f"{name}: there is no such file or folder. Check the path.", err=True)
    if absent:
        raise typer.Exit(2)
    return named


def _tell_mistakes(mistakes: list[str], as_json: bool) -> None:
    if as_json:
        _print({"ok": False, "mistakes": mistakes})
        return
    for mistake in mistakes:
        typer.echo(mistake, err=True)
    typer.echo(f"{_count(len(mistakes), 'mistake')}; nothing was loaded.", err=True)


def _tell_outcomes(book: Book, outcomes: list[TestOutcome], failed: int) -> None:
    for outcome in outcomes:
        by = f" by {outcome.rule}" if outcome.rule else ""
        said = f"{outcome.got}{by}" if outcome.passed else outcome.why
        typer.echo(f"{'pass' if outcome.passed else 'FAIL'}  {outcome.place}  {said}")
    if not outcomes:
        typer.echo(f"No tests in {_count(len(book.files), 'file')}. Write some under `tests:`.")
    else:
        typer.echo(f"{_count(len(outcomes), 'test')}, {failed} failed")
    for rule in unreached(book, outcomes):
        typer.echo(f"no test reaches `{rule.rule}`, {rule.place}")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _print(value: object) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
