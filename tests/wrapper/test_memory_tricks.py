"""Text hidden where entries of a memory hold none, and entries dressed as one's own: none of it passes."""

import base64
import json
from contextlib import nullcontext
from typing import Any

import httpx2
import pytest

import comptroller as ct
from comptroller.core.facts import CALL_CLOSED
from comptroller.core.memory import STAMP
from comptroller.testing.stores import Stores
from tests.wrapper.test_memory import IBAN, POLICY, Notes, here, last, process, rules, said_of

NUMBER = 4711081512


@ct.tool
def look(url: str) -> str:
    return f"Our new account: {IBAN}, customer number {NUMBER}."


@ct.tool(effect="write")
def pay(to: str) -> str:
    return "paid"


TRICKS = POLICY.replace("fetch:", "look:").replace("send_money", "pay")


def label_of(notes: Notes, id: str = "1") -> str:
    said = json.loads(base64.urlsafe_b64decode(notes.kept(id)[STAMP].split(".")[1]))
    return str(said["label"])


@pytest.mark.parametrize(
    ("id", "payload", "to"),
    [
        ("1", {"account": NUMBER}, str(NUMBER)),
        ("1", {"deep": [NUMBER]}, str(NUMBER)),
        ("1", {"account": float(NUMBER)}, str(NUMBER)),
        ("1", {IBAN: {}}, IBAN),
        ("1", {"of": [{IBAN: True}]}, IBAN),
        (IBAN, {}, IBAN),
    ],
)
def test_what_strangers_said_is_theirs_in_numbers_ids_and_names_of_fields_too(id: str, payload: Any, to: str) -> None:
    stores = Stores()
    with process(TRICKS):
        notes = Notes(stores)
        with ct.run("writes"):
            look("https://x.example")
            notes.http.put("/collections/notes/points", json={"points": [{"id": id, "payload": payload}]})
            assert label_of(notes, id) == "untrusted"
        with ct.run("reads"):
            notes.read()
            with pytest.raises(ct.Denied, match=r"Theirs\."):
                pay(to)


def test_an_id_that_a_program_makes_does_not_make_an_entry_a_strangers() -> None:
    stores = Stores()
    with process(POLICY):
        notes = Notes(stores)
        with ct.run("writes"):
            points = [{"id": "0b5f0e0c-8f0e-4f43-a2d5-2f0d4f1c9f10", "payload": {"text": "mornings", "at": 1763752000}}]
            notes.http.put("/collections/notes/points", json={"points": points})
        assert label_of(notes, points[0]["id"]) == "model"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("id", "payload", "passes"),
    [
        (1, {"card": 4111111111111111}, True),
        (1, {"4111 1111 1111 1111": "card"}, False),
        ("jane@acme.com", {}, False),
    ],
)
def test_guards_look_at_numbers_ids_and_names_of_fields(id: Any, payload: Any, passes: bool) -> None:
    stores = Stores()
    with process(rules("{write: {when_tainted: allow}, privacy: redact}")):
        notes = Notes(stores)
        points = [{"id": id, "payload": payload}]
        with nullcontext() if passes else pytest.raises(ct.Denied, match="cannot be taken out of those"):
            notes.http.put("/collections/notes/points", json={"points": points})
        kept = json.dumps(stores.rows("qdrant", "notes"))
        assert "4111" not in kept
        assert "jane@" not in kept


@pytest.mark.parametrize("share", ["customer", "run"])
def test_a_stamp_of_ones_own_on_somebodys_entry_does_not_open_it(share: str) -> None:
    stores = Stores()
    with process(rules(f"{{write: {{when_tainted: allow}}, share: {share}, unstamped: read}}")) as at:
        acme, evil = Notes(stores, "acme"), Notes(stores, "evil")
        acme.write("their secret")
        answer = evil.http.post(
            "/collections/notes/points/payload", json={"points": [1], "payload": {"seen": True}}
        )  # in a real store this adds to what is there
        assert answer.status_code == 200
        stores.rows("qdrant", "notes")["1"]["payload"] |= stores.asked[-1][2]["payload"]
        assert evil.read() == []
        assert "memories.notes.read" in said_of(at)
        assert last(at)["tool"]["memory"]["left_out"] == {"forged": 1}


def test_stamps_cannot_be_taken_away() -> None:
    stores = Stores()
    with process(rules("{write: {when_tainted: allow}, share: customer, unstamped: read}")):
        acme, evil = Notes(stores, "acme"), Notes(stores, "evil")
        acme.write("their secret")
        asked = {"keys": [STAMP], "points": [1]}
        with pytest.raises(ct.Denied, match="it takes stamps away"):
            evil.http.post("/collections/notes/points/payload/delete", json=asked)


@pytest.mark.parametrize(
    "path", ["/%63ollections/notes/points/scroll", "/collections/notes/%70oints/scroll", "/collections/n%6ftes/points"]
)
def test_a_path_spelt_with_escapes_for_letters_is_refused(path: str) -> None:
    stores = Stores()
    known = [{"name": "vectors", "format": "qdrant", "url": "http://127.0.0.1:6333"}]
    with process(rules("{}").replace("notes:", '"*":'), memories=known):
        with pytest.raises(ct.Denied, match="servers read differently"):
            Notes(stores).http.post(path, json={})
        assert stores.asked == []


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("vectors.example", "https://vectors.example"),
        ("vectors.example.", "https://vectors.example"),
        ("vectors.example", "HTTPS://Vectors.example.:443/"),
        ("vectors.example:443", "https://vectors.example"),
        ("vectors.example:8443", "https://vectors.example:8443"),
        ("xn--bcher-kva.example", "https://bücher.example"),
        ("[::1]", "https://[::1]:443"),
    ],
)
def test_a_memory_is_known_however_its_address_is_spelt(host: str, url: str) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, json={"matches": []})

    http = ct.wrap(httpx2.Client(transport=httpx2.MockTransport(answer), base_url=f"https://{host}"))
    known = [{"name": "pc", "format": "pinecone", "url": url}]
    policy = "policy: memory\nmemories: {pc: {read: {agents: [reader]}}}"
    with process(policy, memories=known), pytest.raises(ct.Denied, match="not to be read"):
        http.post("/query", json={"vector": [0.1], "topK": 1})


def test_what_is_shared_with_somebody_else_is_neither_overwritten_nor_deleted() -> None:
    kept: dict[str, Any] = {}
    with process(rules("{share: customer}")):
        notes = ct.memory("notes", kept)
        with ct.run("one", customer="acme"):
            notes["tea"] = "likes it"
            notes["tea"] = "likes it a lot"
        with ct.run("other", customer="globex"):
            with pytest.raises(ct.Denied, match="not shared"):
                notes["tea"] = "hates it"
            with pytest.raises(ct.Denied, match="not shared"):
                del notes["tea"]
        with ct.run("one", customer="acme"):
            assert notes["tea"] == "likes it a lot"
            del notes["tea"]
    assert kept == {}


def test_a_key_that_is_no_text_is_said_to_be_none() -> None:
    with pytest.raises(TypeError, match="5 is none"):
        ct.memory("notes")[5] = "x"  # type: ignore[index]


@pytest.mark.parametrize(("writer", "reader", "passes"), [("ann", "ann", True), ("ann", "eve", False), ("", "", True)])
def test_without_customers_a_users_word_is_that_users_alone(writer: str, reader: str, passes: bool) -> None:
    said = "policy: memory\ntools: {pay: {effect: write, args: {to: string}}}\nmemories: {notes: {}}\nrules:\n  - "
    rule = (
        "{id: theirs, on: tool, tool: pay, when: 'provenance.args.to == \"untrusted\"', then: deny, because: Theirs.}"
    )
    kept: dict[str, Any] = {}
    with process(said + rule):
        with ct.run("writes", user=writer):
            here().run.flow.user(f"Pay to {IBAN}.")
            ct.memory("notes", kept)["to"] = f"Pay to {IBAN}."
        with ct.run("reads", user=reader):
            ct.memory("notes", kept)["to"]
            with nullcontext() if passes else pytest.raises(ct.Denied, match=r"Theirs\."):
                pay(IBAN)


def test_a_header_of_a_models_sdk_makes_no_model_of_a_memory() -> None:
    stores = Stores()
    with process(rules("{read: {agents: [reader]}}")):
        headers = {"x-stainless-lang": "python"}
        answer = Notes(stores).http.post("/collections/notes/points/scroll", json={}, headers=headers)
    assert answer.status_code == 403
    assert "not to be read" in answer.text
    assert stores.asked == []


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/memories/?user_id=jane@acme.com"), ("GET", "/v2/x/jane%40acme.com/")]
)
def test_the_record_does_not_tell_by_an_address_whose_memory_it_is(method: str, path: str) -> None:
    http = httpx2.Client(
        transport=httpx2.MockTransport(lambda _: httpx2.Response(200, json=[])), base_url="https://api.mem0.ai"
    )
    with process('policy: memory\nmemories: {"*": {}}') as at, ct.run("w", customer="acme"):
        with nullcontext() if "v1" in path else pytest.raises(ct.Denied):
            ct.wrap(http).request(method, path)
        assert "jane" not in str(at.facts(CALL_CLOSED))
        assert "[email]" in str(at.facts(CALL_CLOSED))
