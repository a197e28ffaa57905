"""Giving out keys from a terminal: the secret once, the list never, and a gateway beside it that notices."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from comptroller.core.settings import Settings
from comptroller.gateway.keys import KeyRing
from comptroller.office import keys
from comptroller.store.ledger import Ledger

Cli = Callable[..., Any]


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


def issued(cli: Cli, ledger: Path, *options: object) -> dict[str, Any]:
    said = cli("keys", "issue", *options, "--ledger", ledger, "--json")
    assert said.code == 0, said.err
    made: dict[str, Any] = json.loads(said.out)
    return made


def test_a_key_is_shown_once_and_is_not_in_the_ledger(cli: Cli, ledger: Path) -> None:
    made = issued(cli, ledger, "--name", "ci")
    assert keys.is_secret(made["secret"])
    again = cli("keys", "ls", "--ledger", ledger, "--json").out + cli("keys", "ls", "--ledger", ledger).out
    assert made["secret"] not in again
    kept = b"".join(path.read_bytes() for path in ledger.rglob("*") if path.is_file())
    assert made["secret"][3:].encode() not in kept


def test_for_people_the_secret_stands_on_a_line_of_its_own(cli: Cli, ledger: Path) -> None:
    out = cli("keys", "issue", "--name", "ci", "--ledger", ledger).out
    assert [line.strip() for line in out.splitlines() if keys.is_secret(line.strip())]
    assert "cannot be shown again" in out


def test_everything_a_key_fixes_is_listed(cli: Cli, ledger: Path) -> None:
    made = issued(
        cli, ledger, "--tenant", "t", "--agent", "bot", "--customer", "acme", "--user", "ada", "--workflow", "loans",
        "--scope", "b", "--scope", "a", "--budget", "50 USD/month", "--budget", "100 calls", "--expires", "90d",
    )  # fmt: skip
    (listed,) = json.loads(cli("keys", "ls", "--ledger", ledger, "--json").out)
    assert listed == {name: value for name, value in made.items() if name != "secret"} | {"issued": listed["issued"]}
    assert listed["scopes"] == ["a", "b"]
    assert listed["budgets"] == ["50.00 USD/month", "100 calls"]
    assert listed["status"] == "live"
    out = cli("keys", "ls", "--ledger", ledger).out
    assert "tenant t, agent bot, customer acme, user ada, workflow" in out


def test_no_scope_is_not_the_same_as_no_limit(cli: Cli, ledger: Path) -> None:
    assert issued(cli, ledger)["scopes"] is None
    assert issued(cli, ledger, "--scope", "")["scopes"] == []


def test_the_newest_come_first_and_limit_is_obeyed(cli: Cli, ledger: Path) -> None:
    made = [issued(cli, ledger)["key"] for _ in range(3)]
    listed = json.loads(cli("keys", "ls", "--limit", 2, "--ledger", ledger, "--json").out)
    assert [key["key"] for key in listed] == made[:0:-1]


def test_rotating_shows_a_new_secret_and_until_when_the_old_one_works(cli: Cli, ledger: Path) -> None:
    made = issued(cli, ledger, "--name", "ci")
    said = json.loads(cli("keys", "rotate", "ci", "--overlap", "1h", "--ledger", ledger, "--json").out)
    assert said["key"] == made["key"]
    assert keys.is_secret(said["secret"])
    assert said["secret"] != made["secret"]
    assert said["old_secret_until"] > made["issued"]
    (listed,) = json.loads(cli("keys", "ls", "--ledger", ledger, "--json").out)
    assert listed["status"] == "rotating"


def test_a_key_is_revoked_once_and_a_second_time_writes_nothing(cli: Cli, ledger: Path) -> None:
    made = issued(cli, ledger)
    first = cli("keys", "revoke", made["key"], "--ledger", ledger)
    assert (first.code, first.out) == (0, f"{made['key']}  revoked\n")
    before = (ledger / "journal/00000001.ndjson").read_bytes()
    assert "was revoked before" in cli("keys", "revoke", made["key"][:30], "--ledger", ledger).out
    assert (ledger / "journal/00000001.ndjson").read_bytes() == before


def test_a_gateway_that_owns_the_ledger_notices_what_the_command_line_does(cli: Cli, ledger: Path) -> None:
    owner = Ledger.open(ledger, Settings())
    try:
        ring = KeyRing(ledger, owner.digest)
        secret = issued(cli, ledger, "--name", "ci", "--agent", "bot")["secret"]
        found = ring.find(secret)
        assert found is not None
        assert found.agent == "bot"
        cli("keys", "revoke", "ci", "--ledger", ledger)
        ring.refresh()
        assert ring.find(secret) is None
    finally:
        owner.close()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("issue", "--budget", "50"), "--budget: '50' is not a cap. Write it like"),
        (("issue", "--budget", "5 USD/year"), "Write it like `50 USD`"),
        (("issue", "--expires", "soon"), "--expires: 'soon' is not a length of time"),
        (("rotate", "ci", "--overlap", "x"), "--overlap: 'x' is not a length of time"),
        (("rotate", "nobody"), "No key is called 'nobody'"),
        (("revoke", "key_"), "means more than one key"),
        (("revoke", "twice"), "means more than one key"),
    ],
)
def test_wrong_use_is_explained(cli: Cli, ledger: Path, arguments: tuple[str, ...], said: str) -> None:
    for name in ("ci", "twice", "twice"):
        issued(cli, ledger, "--name", name)
    result = cli("keys", *arguments, "--ledger", ledger)
    assert (result.code, result.out) == (2, "")
    assert said in result.err


def test_a_secret_is_no_name_for_its_key_and_is_not_repeated(cli: Cli, ledger: Path) -> None:
    secret = issued(cli, ledger)["secret"]
    said = cli("keys", "revoke", secret, "--ledger", ledger)
    assert said.code == 2
    assert secret not in said.err


def test_a_revoked_key_cannot_be_rotated(cli: Cli, ledger: Path) -> None:
    key = issued(cli, ledger)["key"]
    cli("keys", "revoke", key, "--ledger", ledger)
    said = cli("keys", "rotate", key, "--ledger", ledger)
    assert said.code == 2
    assert "Issue a new one" in said.err


def test_where_there_is_no_ledger_nothing_is_listed_and_none_is_made(cli: Cli, ledger: Path) -> None:
    said = cli("keys", "ls", "--ledger", ledger)
    assert said.code == 2
    assert "there is no ledger here" in said.err
    assert not ledger.exists()


def test_a_ledger_without_keys_says_how_to_make_one(cli: Cli, world: Any) -> None:
    assert cli("keys", "ls", "--ledger", world.path).out.startswith("No keys yet.")


def test_what_a_key_is_called_does_nothing_to_the_terminal(cli: Cli, ledger: Path) -> None:
    made = cli("keys", "issue", "--name", "\x1b[31mred", "--agent", "\x1b[2J", "--ledger", ledger).out
    assert "\x1b" not in made + cli("keys", "ls", "--ledger", ledger).out
