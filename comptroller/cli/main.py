"""The `comptroller` command: its global rules, and where each command lives. Commands load when they are used."""

import os
import sys
from functools import cached_property
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from comptroller.core.errors import ComptrollerError, SettingsError


class Misuse(ComptrollerError):
    """The command was used wrongly: exit 2."""


class _Later(TyperGroup):
    """A group whose commands are imported when one of them, or its help, is wanted."""

    room = ""

    @cached_property
    def _found(self) -> dict[str, Any]:
        return dict(typer.main.get_group(import_module(self.room).app).commands)

    @property
    def commands(self) -> dict[str, Any]:
        return self._found

    @commands.setter
    def commands(self, given: object) -> None:
        """A group is made with the commands it has so far, which are none."""


def _later(room: str, help: str) -> typer.Typer:
    group = type("Later", (_Later,), {"room": room})
    return typer.Typer(cls=group, help=help, no_args_is_help=True, rich_markup_mode=None)


app = typer.Typer(
    name="comptroller",
    help="Governance, observability and outcome billing for multi-agent AI systems.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help: it reads the same everywhere and starts in a third of the time
    pretty_exceptions_enable=False,
)
app.add_typer(_later("comptroller.cli.workshop", "Check policy files, test them, explain, compare."), name="policy")
app.add_typer(_later("comptroller.cli.runs", "Find and read runs."), name="runs")
app.add_typer(_later("comptroller.cli.books", "Price usage, close periods, invoice."), name="books")
app.add_typer(_later("comptroller.cli.outcomes", "See what agents achieved, and have your say on it."), name="outcomes")
app.add_typer(
    _later("comptroller.cli.receipts", "Sign receipts for verified outcomes, check those of others."), name="receipts"
)
app.add_typer(_later("comptroller.cli.webhooks", "Tell other systems of every transition."), name="webhooks")
app.add_typer(_later("comptroller.cli.audit", "Check the record."), name="audit")
app.add_typer(_later("comptroller.cli.budgets", "See what caps leave, and let a run spend more."), name="budgets")
app.add_typer(_later("comptroller.cli.keys", "Give out keys to the gateway, and end them."), name="keys")
app.add_typer(_later("comptroller.cli.approvals", "See which calls wait for a person, and answer."), name="approvals")
app.add_typer(_later("comptroller.cli.guests", "Say who may look at the console, and as what."), name="people")

Ledger = Annotated[str, typer.Option("--ledger", metavar="DIR", help="The ledger; else the one of the settings.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"comptroller {version('comptroller')}")
        raise typer.Exit


@app.callback()
def comptroller(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    pass


@app.command()
def init(directory: Annotated[str, typer.Argument(metavar="[DIR]", help="Where to; made if missing.")] = ".") -> None:
    """Write comptroller.yaml and a starter policy, and explain the next step."""
    from comptroller.cli.init import init as begin

    begin(directory)


@app.command()
def doctor(ledger: Ledger = "", as_json: Json = False) -> None:
    """Say what is wrong with this set-up, and what to do about it."""
    from comptroller.cli.doctor import doctor as examine

    raise typer.Exit(examine(ledger, as_json))


@app.command()
def spend(
    by: Annotated[
        str,
        typer.Option(
            "--by",
            metavar="NAMES",
            help="Sums by day, tenant, customer, user, key, workflow, agent, model; with commas.",
        ),
    ] = "",
    since: Annotated[str, typer.Option("--since", metavar="DAY", help="From this day on (UTC).")] = "",
    until: Annotated[str, typer.Option("--until", metavar="DAY", help="Up to this day, itself included (UTC).")] = "",
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="At most so many rows.")] = None,
    ledger: Ledger = "",
    as_json: Json = False,
) -> None:
    """Say what was spent, exactly, by whatever is asked for."""
    from comptroller.cli.spend import spend as add_up

    add_up(by, since, until, limit, ledger, as_json)


@app.command()
def kill(
    call: Annotated[str, typer.Option("--call", metavar="CALL", help="This call, and what it calls.")] = "",
    run: Annotated[str, typer.Option("--run", metavar="RUN", help="This run.")] = "",
    agent: Annotated[str, typer.Option("--agent", metavar="NAME", help="This agent, in all its runs.")] = "",
    key: Annotated[str, typer.Option("--key", metavar="KEY", help="Whoever calls with this key, by its id.")] = "",
    tenant: Annotated[str, typer.Option("--tenant", metavar="NAME", help="Everybody of this tenant.")] = "",
    because: Annotated[str, typer.Option("--because", metavar="TEXT", help="Why; its caller is told.")] = "",
    revive: Annotated[bool, typer.Option("--revive", help="Let it go on.")] = False,
    ledger: Ledger = "",
    as_json: Json = False,
) -> None:
    """Stop a call, run, agent, key or tenant at once: calls are refused, streams end. Nameless: what is stopped."""
    from comptroller.cli.orders import kill as stop

    stop({"call": call, "run": run, "agent": agent, "key": key, "tenant": tenant}, because, revive, ledger, as_json)


@app.command()
def up(
    host: Annotated[str, typer.Option("--host", help="Where to listen; beyond this machine only with keys.")] = "",
    port: Annotated[int, typer.Option("--port", min=0, max=65_535, help="The gateway's port; 0 for any.")] = 4141,
    ledger: Ledger = "",
    config: Annotated[str, typer.Option("--config", metavar="FILE", help="Settings other than comptroller.yaml.")] = "",
    workers: Annotated[int, typer.Option("--workers", metavar="N", min=1, help="Processes that relay.")] = 1,
    certfile: Annotated[str, typer.Option("--certfile", metavar="FILE", help="Serve TLS with this chain.")] = "",
    keyfile: Annotated[str, typer.Option("--keyfile", metavar="FILE", help="The private key to it.")] = "",
    console_port: Annotated[
        int | None, typer.Option("--console-port", min=0, max=65_535, help="The console's; else the settings' (4142).")
    ] = None,
    no_console: Annotated[bool, typer.Option("--no-console", help="Leave the console out.")] = False,
) -> None:
    """Serve the gateway, and the console: agents are governed by pointing their base URL at the gateway."""
    from comptroller.cli.up import up as serve

    serve(host or "127.0.0.1", port, ledger, config, certfile, keyfile, workers, console_port, not no_console)


@app.command()
def console(
    host: Annotated[str, typer.Option("--host", help="Where to listen; beyond this machine only with sign-in.")] = "",
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65_535, help="Its port, 0 for any; else the settings' (4142).")
    ] = None,
    ledger: Ledger = "",
    config: Annotated[str, typer.Option("--config", metavar="FILE", help="Settings other than comptroller.yaml.")] = "",
    certfile: Annotated[str, typer.Option("--certfile", metavar="FILE", help="Serve TLS with this chain.")] = "",
    keyfile: Annotated[str, typer.Option("--keyfile", metavar="FILE", help="The private key to it.")] = "",
) -> None:
    """Serve the console alone: see what ran, what it cost and why, in a browser."""
    from comptroller.cli.console import console as serve

    serve(host, port, ledger, config, certfile, keyfile)


@app.command()
def demo(
    ledger: Annotated[str, typer.Option("--ledger", metavar="DIR", help="Where to keep it.")] = "demo-ledger",
    once: Annotated[bool, typer.Option("--once", help="Play one run, draw it, and end.")] = False,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65_535, help="The gateway's; else 4141 or another.")
    ] = None,
    console_port: Annotated[
        int | None, typer.Option("--console-port", min=0, max=65_535, help="The console's; else 4142 or another.")
    ] = None,
) -> None:
    """Run a house of agents against a scripted model, with gateway and console, until Ctrl-C."""
    from comptroller.cli.demo import demo as play

    play(ledger, once, port, console_port)


# Options behind the program's name are the program's own.
@app.command("run", context_settings={"allow_interspersed_args": False})
def run_program(
    command: Annotated[list[str], typer.Argument(metavar="-- CMD...", help="The program and its arguments.")],
    workflow: Annotated[
        str, typer.Option("--workflow", metavar="NAME", help="The run's workflow; else the program's name.")
    ] = "",
    agent: Annotated[str, typer.Option("--agent", metavar="NAME", help="The agent that makes the calls.")] = "",
    customer: Annotated[str, typer.Option("--customer", metavar="NAME", help="The customer it works for.")] = "",
    budget: Annotated[str, typer.Option("--budget", metavar="CAP", help="What the run may cost: `2 USD`.")] = "",
    ledger: Ledger = "",
    config: Annotated[str, typer.Option("--config", metavar="FILE", help="Settings other than comptroller.yaml.")] = "",
    out: Annotated[
        str, typer.Option("--json", metavar="FILE", help="Write the account there too: a file or an open descriptor.")
    ] = "",
) -> None:
    """Run a program with every agent call intercepted, then tell what it did and cost."""
    from comptroller.cli.run import run as govern

    raise typer.Exit(govern(command, workflow, agent, customer, budget, ledger, config, out))


def run(arguments: list[str] | None = None) -> int:
    """Run a command line; the exit code is 0 ok, 1 a check failed or the work could not be done, 2 wrong use."""
    _speak_safely()
    try:
        app(arguments, prog_name="comptroller", standalone_mode=True)
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else 1
    except (Misuse, SettingsError) as error:
        return _complain(str(error), 2)
    except ComptrollerError as error:
        return _complain(str(error), 1)
    except BrokenPipeError:
        # Whoever read our output has seen enough; nothing is left to flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _complain(f"{place}{error.strerror or error}. Check the path and its permissions.", 1)
    return 0


def _complain(message: str, code: int) -> int:
    from comptroller.cli.screen import clean

    sys.stdout.flush()
    sys.stderr.write(clean(message, lines=True) + "\n")
    return code


def _speak_safely() -> None:
    # A character the terminal's encoding lacks must not end a command half-way.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
