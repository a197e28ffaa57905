"""`comptroller run -- CMD`: any program with every agent call intercepted, then the account of what it did."""

import contextlib
import logging
import os
import shlex
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from comptroller.cli import account, screen
from comptroller.cli.child import Unstartable, run_child
from comptroller.cli.main import Misuse
from comptroller.cli.surroundings import address, key_variable, providers, surroundings
from comptroller.core.errors import SettingsError, StoreError
from comptroller.core.settings import Provider
from comptroller.office.account import gather
from comptroller.office.why import why
from comptroller.store.reader import Reader
from comptroller.tracing.findings import Findings
from comptroller.wrapper.desk import Desk
from comptroller.wrapper.run import Run

MOST_DECISIONS = 10  # told one by one; the rest is only counted
MOST_WARNINGS = 20
BUDGET = "`comptroller run --budget`"


def run(
    command: Sequence[str],
    workflow: str = "",
    agent: str = "",
    customer: str = "",
    budget: str = "",
    ledger: str = "",
    config: str = "",
    out: str = "",
) -> int:
    """Run a program governed; its exit code is ours. Nothing of ours goes to its standard output."""
    _needs_a_gateway()
    with contextlib.ExitStack() as stack:
        told = stack.enter_context(_writable(out)) if out else None
        with Desk.open(ledger or None, config or None) as desk:
            work = Run(workflow or Path(command[0]).stem, customer=customer, budget=budget, desk=desk)
            code = _work(command, desk, work, agent)
        _account(Path(desk.settings.ledger), work.id, ledger, told)
    return code


def _needs_a_gateway() -> None:
    try:
        import comptroller.gateway.private  # noqa: F401
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"The gateway needs {error.name}, which is not installed. Run `pip install 'comptroller[server]'`."
        ) from None


def _work(command: Sequence[str], desk: Desk, work: Run, agent: str) -> int:
    """The program's exit code; the run ends with it, as an error unless the program did well."""
    from comptroller.gateway.private import private_gateway

    code = 0
    with contextlib.suppress(_Exit), work:
        scope = work.scope
        assert scope is not None
        scope.run.caps = tuple(replace(cap, place=BUDGET) for cap in scope.run.caps)
        try:
            with _quiet(), private_gateway(desk, scope, agent, _upstreams(desk, os.environ)) as (url, secret):
                code = run_child(command, surroundings(url, secret, os.environ))
        except Unstartable as error:
            sys.stderr.write(screen.clean(error) + "\n")
            code = error.code
        if code:
            raise type(f"Exit{code}", (_Exit,), {})  # the kind of an error is what a run's end says of it
    return code


class _Exit(Exception):
    """The program did not do well."""


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep our own warnings until the program has ended: it may be drawing on this terminal."""
    log, kept = logging.getLogger("comptroller"), _Kept(MOST_WARNINGS)
    before, log.propagate = log.propagate, False
    log.addHandler(kept)
    try:
        yield
    finally:
        log.removeHandler(kept)
        log.propagate = before
        for message, count in kept.messages.items():
            sys.stderr.write(screen.clean(message, lines=True) + (f" (x{count})" if count > 1 else "") + "\n")


class _Kept(logging.Handler):
    """The first few different messages, each with how often it came."""

    def __init__(self, most: int) -> None:
        super().__init__(logging.WARNING)
        self.messages: Counter[str] = Counter()
        self._most = most

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message in self.messages or len(self.messages) < self._most:
            self.messages[message] += 1


def _upstreams(desk: Desk, given: Mapping[str, str]) -> list[Provider]:
    """Those of comptroller.yaml, else where the user's own variables lead, with the keys that lie beside them."""
    if desk.settings.upstreams:
        return desk.settings.upstreams
    return [
        Provider(name=one.format, format=one.format, url=address(one, given), key_env=key_variable(one, given))
        for one in providers(given)
    ]


def _account(ledger: Path, run: str, named: str, told: IO[str] | None) -> None:
    """What the run cost and what was decided in it: for people on standard error, for machines where they said."""
    try:
        with Reader.open(ledger) as reader:
            found = gather(reader, run)
            reasons = why(reader.rows, run, reader.deserted)
    except StoreError as error:
        sys.stderr.write(f"{screen.clean(error, lines=True)}\n")
        return
    if told is not None:
        with contextlib.redirect_stdout(told):
            screen.say_json(found)
    # The account is written with what prints the other commands; the child's standard output stays the child's.
    with contextlib.redirect_stdout(sys.stderr):
        _summary(found, reasons)
        option = f" --ledger {shlex.quote(named)}" if named else ""
        screen.say(f"  comptroller runs show {run}{option}")


def _summary(told: dict[str, Any], reasons: Findings) -> None:
    screen.say()
    account.head(told, reasons)
    seen = Counter(
        (decision["action"], bool(decision["shadow"]), decision["rule"], decision["because"])
        for call in told["calls_in_order"]
        for decision in call["decisions"]
    )
    for (action, shadow, rule, because), count in seen.most_common(MOST_DECISIONS):
        times = f" x{count}" if count > 1 else ""
        by = f" by {screen.short(rule, 60)}" if rule else ""
        why = f": {screen.short(because, 200)}" if because else ""
        screen.say(f"  {screen.clean(action)}{' (shadow)' if shadow else ''}{times}{by}{why}")
    if len(seen) > MOST_DECISIONS:
        screen.say(f"  and {screen.count(len(seen) - MOST_DECISIONS, 'other decision')}")
    for claim in told["claims"]:
        screen.say(f"  claim {screen.short(claim['type'], 60)} for {screen.short(claim['subject'], 60)}")
    if any((call["upstream"] or {}).get("status") == 401 for call in told["calls_in_order"]):
        screen.say(
            "  A provider turned our key down (401). It is taken from where `upstreams` say, else from "
            "OPENAI_API_KEY and its like as they were here."
        )
    if not told["calls"]:
        screen.say("  No call came this way. What does not read OPENAI_BASE_URL and its like is not governed.")


def _writable(out: str) -> IO[str]:
    """The file to tell machines in, or the open descriptor of that number."""
    try:
        return open(int(out) if out.isdigit() else out, "w", encoding="utf-8", closefd=not out.isdigit())
    except OSError as error:
        raise Misuse(
            f"--json {out}: cannot be written: {error.strerror}. Name a file, or an open descriptor."
        ) from None
