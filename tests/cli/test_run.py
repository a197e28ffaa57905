"""Programs nobody changed, run under `comptroller run`: what they meet, what they leave, how they end."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from comptroller.cli.main import run
from comptroller.store.reader import Reader
from comptroller.testing.upstream import Say, Upstream, Use

pytest.importorskip("duckdb")
pytest.importorskip("uvicorn")

REAL = "sk-the-real-key"
ASK = """
import openai
client = openai.OpenAI(max_retries=0)
def ask(text, **more):
    return client.chat.completions.create(
        model="gpt-4o-mini", max_tokens=20, messages=[{"role": "user", "content": text}], **more
    )
"""
POLICY = """
policy: house
rules:
  - {id: no-secrets, on: model, when: 'text.contains("password")', then: deny, because: No passwords.}
tools:
  drop_table: {effect: write, args: {name: string}}
agents: {cautious: {tools: []}}
"""


@dataclass
class Ended:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


class Place:
    """A directory with a ledger, and a provider that the user's own variables lead to."""

    def __init__(self, path: Path, model: Upstream, capfd: pytest.CaptureFixture[str]) -> None:
        self.path, self.model, self.ledger = path, model, path / "ledger"
        self._captured = capfd

    def arguments(self, *arguments: str) -> list[str]:
        return ["run", "--ledger", str(self.ledger), *arguments]

    def run(self, program: str, *options: str) -> Ended:
        return self.command(*options, "--", sys.executable, "-c", program)

    def command(self, *arguments: str) -> Ended:
        """What it would print as a command; the program itself runs in a process of its own."""
        code = run(self.arguments(*arguments))
        return Ended(code, *self._captured.readouterr())

    def process(self, *arguments: str, **more: Any) -> "subprocess.Popen[bytes]":
        line = [sys.executable, "-m", "comptroller.cli", *self.arguments(*arguments)]
        return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)

    def row(self) -> dict[str, Any]:
        with Reader.open(self.ledger) as reader:
            (found,) = reader.rows("runs_list", limit=10)
        return found


@pytest.fixture(scope="module")
def model() -> Iterator[Upstream]:
    says = [
        Say("Hello.", last="hi"),
        Say("", calls=[Use("drop_table", {"name": "users"})], last="drop"),
        Say("slow", last="wait", fault="hang"),
        Say(last="no entry", status=401),
        Say("ok"),
    ]
    with Upstream(says) as up:
        yield up


@pytest.fixture
def place(tmp_path: Path, model: Upstream, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Place:
    model.requests.clear()
    for name in os.environ:
        if name.startswith(("OPENAI_", "ANTHROPIC_", "GOOGLE_", "GEMINI_", "COPILOT_", "COMPTROLLER_")):
            monkeypatch.delenv(name)
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name, url in (("OPENAI", f"{model.url}/v1"), ("ANTHROPIC", model.url)):
        monkeypatch.setenv(f"{name}_BASE_URL", url)
        monkeypatch.setenv(f"{name}_API_KEY", REAL)
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path, model, capfd)


def wait_until(done: Callable[[], bool]) -> None:
    """Return once something is so; the test fails where it is not so for half a minute."""
    for _ in range(3_000):
        if done():
            return
        time.sleep(0.01)
    raise AssertionError("it never came to that")


def told(place: Place) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads((place.path / "out.json").read_text())
    return found


def test_a_program_with_the_real_sdk_is_governed_and_its_run_told(place: Place) -> None:
    program = (
        ASK
        + "print(ask('hi').choices[0].message.content)\n"
        + "print(''.join(c.choices[0].delta.content or '' for c in ask('hi', stream=True) if c.choices))"
    )
    ended = place.run(program, "--workflow", "greeting", "--customer", "acme", "--budget", "2 USD")
    assert (ended.code, ended.out) == (0, "Hello.\nHello.\n")
    row = place.row()
    assert (row["workflow"], row["customer"], row["status"], row["calls"]) == ("greeting", "acme", "ok", 2)
    assert row["cost"] > 0
    assert f"cost {row['cost'].normalize():f} USD of a budget of 2.00 USD" in ended.err
    assert "2 calls, " in ended.err
    assert f"comptroller runs show {row['run']} --ledger {place.ledger}" in ended.err


def test_the_providers_key_stays_with_us_and_reaches_the_provider(place: Place) -> None:
    program = ASK + "import os; ask('hi'); print([k for k, v in os.environ.items() if 'real' in v])"
    ended = place.run(program)
    assert ended.out.strip() == "[]"
    assert [asked.headers["authorization"] for asked in place.model.requests] == [f"Bearer {REAL}"]
    kept = b"".join(path.read_bytes() for path in place.ledger.rglob("*") if path.is_file())
    assert REAL.encode() not in kept + ended.err.encode()


def test_another_providers_sdk_is_governed_in_the_same_run(place: Place) -> None:
    program = (
        ASK + "ask('hi')\nimport anthropic\n"
        "message = {'role': 'user', 'content': 'hi'}\n"
        "said = anthropic.Anthropic().messages.create(model='claude-sonnet-5', max_tokens=20, messages=[message])\n"
        "print(said.content[0].text)"
    )
    ended = place.run(program, "--agent", "greeter", "--json", "out.json")
    assert ended.out == "Hello.\n", ended.err
    calls = told(place)["calls_in_order"]
    assert [(call["name"], call["agent"]) for call in calls] == [
        ("gpt-4o-mini", "greeter"),
        ("claude-sonnet-5", "greeter"),
    ]
    assert place.model.requests[1].headers["x-api-key"] == REAL


def test_a_token_of_anthropic_stays_with_us_and_reaches_the_provider_as_one(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", REAL)
    program = (
        "import anthropic, os\nmessage = {'role': 'user', 'content': 'hi'}\n"
        "said = anthropic.Anthropic().messages.create(model='claude-sonnet-5', max_tokens=20, messages=[message])\n"
        "print(said.content[0].text, [k for k, v in os.environ.items() if 'real' in v])"
    )
    ended = place.run(program)
    assert ended.out == "Hello. []\n", ended.err
    (asked,) = place.model.requests
    assert asked.headers["authorization"] == f"Bearer {REAL}"
    assert "x-api-key" not in asked.headers


def test_a_denied_call_is_the_sdks_own_error_and_stands_in_the_account(place: Place) -> None:
    (place.path / "house.yaml").write_text(POLICY)
    (place.path / "comptroller.yaml").write_text("policies: [house.yaml]\n")
    program = (
        ASK + "try:\n    ask('my password')\nexcept openai.PermissionDeniedError as error:\n    print(error.code)\n"
    )
    ended = place.run(program)
    assert (ended.code, ended.out) == (0, "denied\n")
    assert "deny by no-secrets: No passwords." in ended.err
    assert not place.model.requests


def test_a_call_over_the_budget_is_refused_and_says_where_to_raise_it(place: Place) -> None:
    program = (
        ASK + "try:\n    ask('hi')\nexcept openai.APIStatusError as error:\n    print(error.status_code, error.message)"
    )
    ended = place.run(program, "--budget", "0.000001 USD")
    assert ended.out.startswith("402 "), ended
    assert "Raise it in `comptroller run --budget`" in ended.out
    assert not place.model.requests
    assert "1 refused" in ended.err


def test_calls_at_once_never_pass_the_budget(place: Place) -> None:
    program = ASK + (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "def one(n):\n"
        "    try:\n        ask('hi'); return 1\n"
        "    except openai.APIStatusError as error:\n        assert error.status_code == 402; return 0\n"
        "with ThreadPoolExecutor(20) as pool:\n    print(sum(pool.map(one, range(60))))"
    )
    ended = place.run(program, "--budget", "0.0001 USD")
    row = place.row()
    assert 0 < int(ended.out) < 60
    assert int(ended.out) == len(place.model.requests)
    assert row["cost"] * 10_000 <= 1


def test_the_exit_code_is_the_programs_and_its_run_ended_in_error(place: Place) -> None:
    ended = place.run("raise SystemExit(7)")
    assert ended.code == 7
    assert place.row()["status"] == "error"
    assert "error: Exit7" in ended.err


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_reaches_the_program_and_the_account_is_still_told(place: Place) -> None:
    (place.path / "comptroller.yaml").write_text("gateway: {stop_s: 1}\n")  # as long a whole reply under way may take
    program = (
        ASK
        + "try:\n    print('asking', flush=True)\n    ask('wait')\nexcept KeyboardInterrupt:\n    raise SystemExit(3)"
    )
    with place.process("--", sys.executable, "-c", program, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"asking\n"
        # Not before it waits for its answer: where an interrupt meets the making of a connection, it may be swallowed.
        wait_until(lambda: bool(place.model.requests))
        process.send_signal(signal.SIGINT)
        try:
            _, err = process.communicate(timeout=60)
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 3
    assert place.row()["status"] == "error"
    assert b"comptroller runs show" in err


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_program_killed_by_a_signal_gives_128_and_the_signal(place: Place) -> None:
    assert place.run("import os, signal; os.kill(os.getpid(), signal.SIGTERM)").code == 143


def test_a_proxy_in_the_environment_does_not_lead_past_us(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    ended = place.run(ASK + "print(ask('hi').choices[0].message.content)")
    assert ended.out == "Hello.\n", ended.err
    assert place.row()["calls"] == 1


def test_a_key_that_the_provider_turns_down_is_said_to_be_ours(place: Place) -> None:
    assert "turned our key down" in place.run(ASK + "ask('no entry')").err
    assert "turned our key down" not in place.run(ASK + "ask('hi')").err


def test_a_program_that_goes_its_own_way_has_no_key_to_go_with_and_is_noticed(place: Place) -> None:
    program = ASK + f"client = openai.OpenAI(base_url='{place.model.url}/v1')\nask('hi')"
    ended = place.run(program)
    (asked,) = place.model.requests
    assert asked.headers["authorization"].startswith("Bearer ck_")
    assert "No call came this way" in ended.err


def test_input_and_ten_megabytes_of_output_come_through_to_the_byte(place: Place) -> None:
    program = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read() * 40_960)"
    with place.process("--", sys.executable, "-c", program, stdin=subprocess.PIPE) as process:
        out, _ = process.communicate(bytes(range(256)), timeout=60)
    assert out == bytes(range(256)) * 40_960


def test_options_after_the_program_are_the_programs(place: Place) -> None:
    ended = place.command(sys.executable, "-c", "import sys; print(sys.argv[1:])", "--budget", "x", "--help")
    assert ended.out == "['--budget', 'x', '--help']\n"


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors")
def test_the_account_for_machines_goes_to_an_open_descriptor(place: Place) -> None:
    read, write = os.pipe()
    with open(read, encoding="utf-8") as file:
        ended = place.run("print('mine')", "--json", str(write))
        os.close(write)
        account = json.loads(file.read())
    assert ended.out == "mine\n"
    assert (account["workflow"], account["calls"]) == (Path(sys.executable).stem, 0)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--", "no-such-program-anywhere"), 127, "there is no such program"),
        (("--budget", "two", "--", "true"), 2, "is not an amount of money"),
        (("--config", "nowhere.yaml", "--", "true"), 2, "there is no such file"),
        (("--json", "no/such/folder/x", "--", "true"), 2, "--json no/such/folder/x: cannot be written"),
        ((), 2, "Missing argument"),
    ],
)
def test_wrong_use_is_explained(place: Place, arguments: tuple[str, ...], code: int, said: str) -> None:
    ended = place.command(*arguments)
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err


def test_a_part_that_is_not_installed_is_named_before_anything_starts(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "comptroller.gateway.private", None)
    ended = place.run("print(1)")
    assert (ended.code, ended.out) == (2, "")
    assert "pip install 'comptroller[server]'" in ended.err
    assert not place.ledger.exists()


def test_upstreams_of_the_settings_go_before_the_users_variables(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OWN_KEY", "sk-own")
    (place.path / "comptroller.yaml").write_text(
        f"upstreams:\n  - {{name: own, format: openai, url: '{place.model.url}/v1', key_env: OWN_KEY}}\n"
    )
    ended = place.run(ASK + "ask('hi')")
    assert ended.code == 0, ended.err
    assert place.model.requests[0].headers["authorization"] == "Bearer sk-own"


def test_warnings_of_ours_wait_until_the_program_is_done(place: Place) -> None:
    program = (
        "import sys, urllib.request, urllib.error, os\n"
        "try:\n    urllib.request.urlopen(os.environ['OPENAI_BASE_URL'] + '/models')\n"
        "except urllib.error.HTTPError as error:\n    print(error.code)\n"
        "sys.stderr.write('THE END\\n')"
    )
    ended = place.run(program)
    assert ended.out == "401\n"
    assert "A Comptroller key" in ended.err.partition("THE END")[2]
