"""One thing of many, as every command about such things tells it: which is meant, what it is, what became of it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import typer

from comptroller.cli import screen
from comptroller.cli.main import Misuse

T = TypeVar("T")
SHORT = 16  # characters of an id in a list
_HISTORY = ("AT (UTC)", "EVENT", "BY", "BECAUSE", "IGNORED")


def meant(
    found: Sequence[T], named: str, what: str, many: str, told: Callable[[T], str], remedy: str = "Say more of it."
) -> T:
    """The one of those found that somebody means who named it."""
    if not found:
        raise Misuse(f"No {what} is called {named!r}. List them with `comptroller {many} ls`.")
    if len(found) > 1:
        some = ", ".join(map(told, found[:3])) + ", ..." * (len(found) > 3)
        raise Misuse(f"{named!r} means more than one {what} ({some}). {remedy}")
    return found[0]


def say_list(
    found: Sequence[T],
    heads: Sequence[str],
    listed: Callable[[T], Sequence[str]],
    described: Callable[[T], object],
    none: str,
    as_json: bool,
    right: Sequence[int] = (),
) -> None:
    """Print them all, or that there are none."""
    if as_json:
        screen.say_json([described(each) for each in found])
    elif not found:
        screen.say(none)
    else:
        screen.table(heads, [listed(each) for each in found], right)


def say_fields(whole: Mapping[str, Any], *names: str, **more: str) -> None:
    """Print what is known of it, a line each; `more` goes behind a value."""
    for name in names:
        value = whole[name]
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value or "")
        if text:
            screen.say(f"{name:<12}{screen.clean(text)}{more.get(name, '')}")


def say_history(events: Sequence[Mapping[str, Any]], event: str, by: str) -> None:
    """Print all that was said of it; `event` and `by` are what these are called there."""
    names = ("at", event, by, "because", "ignored")
    screen.say()
    screen.table(_HISTORY, [[screen.clean(str(each[name] or "")) for name in names] for each in events])


def say_done(id: str, state: str, not_done: str, told: Mapping[str, object], as_json: bool, more: str = "") -> None:
    """Print what became of it; what was asked for and not done ends the command with 1."""
    if as_json:
        screen.say_json({**told, "not_done": not_done or None})
    else:
        screen.say(f"{id}  {screen.status(state)}{f'  not done: {screen.clean(not_done)}.' if not_done else more}")
    if not_done:
        raise typer.Exit(1)


def whose(thing: object, *names: str) -> list[str]:
    """Whom it is for, in words; the tenant that everything is of by default goes without saying."""
    if getattr(thing, "tenant", "default") != "default":
        names = ("tenant", *names)
    return [f"{name} {value}" for name in names if (value := getattr(thing, name))]
