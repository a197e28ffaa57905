"""`comptroller books price`: try prices on usage, and see whether they come to what they should."""

from pathlib import Path
from typing import Annotated, Any

import typer

from comptroller.cli import screen
from comptroller.cli.main import Json
from comptroller.office.cases.case import Result
from comptroller.office.cases.file import read_cases, try_cases

File = Annotated[Path, typer.Argument(metavar="FILE", help="Cases: JSON or YAML, each a price, usage and an amount.")]


def price(file: File, as_json: Json = False) -> None:
    """Price the usage of every case in a file, exactly; exit 1 where one is not what it should be."""
    results = list(try_cases(read_cases(file)))
    if as_json:
        screen.say_json([{"id": one.id, "expected": one.expected, "got": one.got} for one in results])
    else:
        _write(results)
    raise typer.Exit(1 if any(result.wrong for result in results) else 0)


def _write(results: list[Result]) -> None:
    rows = [(screen.short(one.id, 40), _told(one.expected), _told(one.got)) for one in results if one.shown]
    if rows:
        screen.table(("CASE", "EXPECTED", "GOT"), rows)
    wrong = sum(result.wrong for result in results)
    told = f"{screen.count(len(results), 'case')} priced, {wrong} not as expected"
    screen.say(f"{screen.status('fail' if wrong else 'ok')}  {told}")


def _told(value: Any) -> str:
    if isinstance(value, dict):
        return screen.short(", ".join(f"{name} {_told(held)}" for name, held in value.items()), 100)
    if isinstance(value, list):
        return screen.short(", ".join(_told(held) for held in value), 100)
    return "-" if value is None else screen.short(value, 200)
