"""The harness of `make clients`: manifests are whole, the model answers by the conversation, and no fault passes."""

import importlib.util
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from comptroller.testing.upstream import Received
from examples.clients import environment
from examples.clients.__main__ import Tried, show
from examples.clients.audit import Record, faults
from examples.clients.manifest import Client, clients
from examples.clients.model import Model
from examples.clients.turn import Turn, take
from examples.clients.world import World, comptroller, world

ALL = clients()
HERE = [client for client in ALL if client.name in ("openai_sdk", "anthropic_sdk")]  # their SDKs are ours to test with
PARIS: dict[str, Any] = {"city": "Paris"}
RESULT = "21 degrees"


@pytest.mark.parametrize("client", ALL, ids=lambda client: client.name)
def test_every_client_is_complete_and_what_it_installs_is_pinned(client: Client) -> None:
    if client.kind == "python":
        wanted = (client.folder / "requirements.txt").read_text(encoding="utf-8").splitlines()
        assert all("==" in line for line in wanted)
    else:
        package = json.loads((client.folder / "package.json").read_text(encoding="utf-8"))
        assert all(re.fullmatch(r"\d[\w.+-]*", version) for version in package["dependencies"].values())
    program = {"python": "agent.py", "node": "agent.mjs"}.get(client.kind)
    assert client.command or (client.folder / str(program)).is_file()
    assert client.tools
    assert client.env


def test_every_client_is_on_its_page() -> None:
    page = (Path(__file__).parents[1] / "docs/clients.md").read_text(encoding="utf-8")
    assert [client.name for client in ALL if f"`{client.name}`" not in page] == []


CALL = {"name": "get_weather", "arguments": json.dumps(PARIS)}
SAID: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {  # by path: the tools on offer, the conversation so far
    "/v1/chat/completions": (
        {"tools": [{"type": "function", "function": {"name": "get_weather"}}]},
        {
            "messages": [
                {"role": "user", "content": "?"},
                {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": CALL}]},
                {"role": "tool", "tool_call_id": "1", "content": RESULT},
            ]
        },
    ),
    "/v1/responses": (
        {"tools": [{"type": "function", "name": "get_weather"}]},
        {"previous_response_id": "r", "input": [{"type": "function_call_output", "call_id": "1", "output": RESULT}]},
    ),
    "/v1/messages": (
        {"tools": [{"name": "get_weather"}]},
        {
            "messages": [
                {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "get_weather"}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": RESULT}]},
            ]
        },
    ),
    "/v1beta/models/gemini-2.5-flash:generateContent": (
        {"tools": [{"functionDeclarations": [{"name": "get_weather"}]}]},
        {
            "contents": [
                {"role": "model", "parts": [{"functionCall": {"name": "get_weather", "args": PARIS}}]},
                {"role": "user", "parts": [{"functionResponse": {"name": "get_weather", "response": {"a": RESULT}}}]},
            ]
        },
    ),
}


def received(path: str, body: dict[str, Any]) -> Received:
    return Received(1, "POST", path, {}, json.dumps({"model": "gpt-4o-mini", **body}).encode())


@pytest.fixture
def model() -> Model:
    made = Model()
    made.serve(HERE[0], "")
    return made


@pytest.mark.parametrize("path", SAID)
def test_the_model_asks_for_the_tool_once_and_answers_with_what_it_said(model: Model, path: str) -> None:
    offer, talk = SAID[path]
    (asked,) = model.reply_to(received(path, offer)).calls
    assert (asked.name, asked.args) == ("get_weather", PARIS)
    assert RESULT in model.reply_to(received(path, {**offer, **talk})).text


def test_the_model_asks_for_no_tool_that_is_not_offered_and_for_none_that_was_refused(model: Model) -> None:
    path = "/v1/messages"
    refused = {"messages": [{"role": "assistant", "content": "[denied: the call of x was refused. No.]"}]}
    assert not model.reply_to(received(path, {"tools": [{"name": "other"}]})).calls
    assert not model.reply_to(received(path, {**SAID[path][0], **refused})).calls


@pytest.fixture(scope="module")
def turns(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, bool], tuple[Turn, Record]]:
    """The official SDKs of the environment we test in, through a gateway of their own."""
    pytest.importorskip("uvicorn")
    folder = tmp_path_factory.mktemp("clients")
    here = [client for client in HERE if importlib.util.find_spec(client.package)]
    with world(folder) as place:
        taken = {(one.name, denied): _taken(one, place, denied) for one in here for denied in (False, True)}
    listed = comptroller(folder, "runs", "ls", "--json")
    runs = {run["workflow"]: comptroller(folder, "runs", "show", run["run"], "--json") for run in listed}
    assert len(runs) == len(listed)
    return {which: (turn, Record([runs[turn.workflow]])) for which, turn in taken.items()}


def _taken(client: Client, place: World, denied: bool) -> Turn:
    return take(client, place, Path(sys.prefix), denied)


@pytest.mark.parametrize("denied", [False, True], ids=["allowed", "denied"])
@pytest.mark.parametrize("client", HERE, ids=lambda client: client.name)
def test_the_official_sdks_leave_a_correct_run(client: Client, denied: bool, turns: Any) -> None:
    assert faults(client, *turns[client.name, denied], denied) == []


def test_whatever_is_wrong_with_a_run_is_found(turns: Any) -> None:
    client = HERE[0]
    turn, record = turns[client.name, False]
    wrong = {
        "the cost on record": replace(record, runs=[{**record.runs[0], "cost": "0.01"}]),
        "tokens on record": replace(record, runs=[{**record.runs[0], "input": 1}]),
        "tool spans are []": replace(record, runs=[_without(record.runs[0], "tool")]),
        "0 calls are on record": replace(record, runs=[_without(record.runs[0], "model")]),
        "the run's status is open": replace(record, runs=[{**record.runs[0], "status": "open"}]),
        "the run is of": replace(record, runs=[{**record.runs[0], "customer": "globex"}]),
        "the run's agents": replace(record, runs=[{**record.runs[0], "agents": []}]),
    }
    for fault, changed in wrong.items():
        assert any(fault in found for found in faults(client, turn, changed, False)), fault
    for fault, other in {
        "exit code 3": replace(turn, exit_code=3),
        "was not done": replace(turn, exit_code=None),
        "came back in 0 of 1": replace(turn, output=""),
        "a key was printed": replace(turn, output=turn.output + turn.key),
        "without the provider's key": replace(turn, sent=[replace(one, credential="") for one in turn.sent]),
    }.items():
        assert any(fault in found for found in faults(client, other, record, False)), fault


def test_a_tool_that_was_to_be_denied_and_was_not_is_found(turns: Any) -> None:
    found = faults(HERE[0], *turns[HERE[0].name, False], True)
    assert "a tool ran that was denied" in found
    assert "0 of 1 tool calls are on record as denied" in found


def test_a_client_that_cannot_be_installed_is_never_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    client = replace(HERE[0], python=("3.98", "3.99"))
    with pytest.raises(environment.Missing, match=r"needs Python 3\.98 to 3\.99, and none is on the path"):
        environment.make(client)
    tried = Tried(client, missing="needs Python 3.98")
    show([tried])
    assert not tried.well
    assert f"{client.name} was not tried: needs Python 3.98" in capsys.readouterr().out


def test_a_client_nobody_knows_is_named_with_those_that_there_are() -> None:
    with pytest.raises(SystemExit, match=r"There is no client opanai\. There are: .*openai_sdk"):
        clients(["opanai"])


def _without(run: dict[str, Any], kind: str) -> dict[str, Any]:
    return {**run, "calls_in_order": [call for call in run["calls_in_order"] if call["kind"] != kind]}
