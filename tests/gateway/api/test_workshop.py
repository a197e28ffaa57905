"""The workshop's routes: calls explained, evidence per control, findings by rule."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from comptroller.core.errors import Denied
from comptroller.core.settings import load_settings
from comptroller.gateway.api.bureau import Bureau
from comptroller.testing.script import Say, Use
from comptroller.testing.upstream import Upstream
from comptroller.wrapper.desk import Desk, set_desk
from comptroller.wrapper.run import Run
from comptroller.wrapper.tools import tool
from tests.gateway.api.house import OURS, THEIRS, Api

POLICY = """
policy: money
guards: {privacy: {in: redact, evidences: [GDPR.5]}}
tools:
  send: {effect: external, args: {to: string, amount: double}}
rules:
  - {id: dear, on: tool, tool: send, when: args.amount > 50.0, then: deny, because: Too dear., evidences: [SOC2.CC6.1]}
  - {id: odd, on: tool, tool: send, when: args.amount > 10.0, then: ask, mode: shadow, evidences: [SOC2.CC6.1]}
needs: {SOC2.CC7.2: Somebody reads the alarms., SOC2.CC6.1: Reviews each quarter.}
"""


@tool(effect="external")
def send(to: str, amount: float) -> str:
    return f"sent {amount} to {to}"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    place = tmp_path_factory.mktemp("workshop")
    (place / "money.yaml").write_text(POLICY, encoding="utf-8")
    settings: dict[str, object] = {"policies": [str(place / "money.yaml")], "tenant": "ours"}
    with Upstream(lambda _: Say("Done.", calls=(Use("send", {"to": "x", "amount": 90.0}),))) as up:
        _work(place, settings, up.url)
    bureau = Bureau(load_settings(settings, place / "ledger"))
    yield Api(bureau, [])
    bureau.close()


def _work(place: Path, settings: dict[str, object], url: str) -> None:
    import httpx

    from comptroller.wrapper.wrap import wrap

    with Desk.open(place / "ledger", settings) as desk:
        before = set_desk(desk)
        client = wrap(httpx.Client(base_url=url, trust_env=False))
        with Run("desk", customer="acme", desk=desk) as run, run.agent("payer"):
            ask = {"role": "user", "content": "Write to ada@example.com: pay x 90."}
            client.post("/v1/chat/completions", json={"model": "gpt-4o-mini", "messages": [ask], "max_tokens": 50})
            send(to="x", amount=20.0)
            with pytest.raises(Denied):
                send(to="x", amount=70.0)
        client.close()
        set_desk(before)


def refused(house: Api) -> str:
    """The tool call that the model asked for and a rule refused: its arguments are in the vault."""
    rows = house.bureau.reader.rows("console_decisions", rule="dear")
    return str(rows[-1]["call"])


def test_a_recorded_call_is_explained_under_the_version_that_decided_on_it(house: Api) -> None:
    told = house.post("/api/policies/explain", {"call": refused(house)})
    assert told.status == 200, told.body
    [case] = told["cases"]
    assert (told["decision"], told["passes"], told["recorded"]["status"]) == ("deny", False, "denied")
    assert [(one["rule"], one["says"]) for one in case["reasons"]] == [("dear", "matched"), ("odd", "matched")]
    assert case["reasons"][0]["saw"] == {"args.amount": 90.0}
    assert case["remedy"] == "Allowed if `amount` <= 50."


@pytest.mark.parametrize(
    "given", [{"tool": "send", "args": {"to": "x", "amount": 5.0}}, "tool: send\nargs: {to: x, amount: 5.0}\n"]
)
def test_a_given_call_is_explained_under_the_policies_in_force(house: Api, given: object) -> None:
    told = house.post("/api/policies/explain", {"given": given})
    assert (told["decision"], told["passes"], told["recorded"]) == ("allow", True, None)
    assert told["version"] == house.get("/api/policies")["version"]


def test_a_version_can_be_named_and_one_there_is_not_says_so(house: Api) -> None:
    version = house.get("/api/policies")["version"]
    assert house.post("/api/policies/explain", {"given": {"tool": "send"}, "version": version}).status == 200
    assert house.post("/api/policies/explain", {"given": {"tool": "send"}, "version": "nope"}).status == 404


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 400, "names no call, or two"),
        ({"call": "x", "given": {}}, 400, "names no call, or two"),
        ({"given": {"tol": "send"}}, 400, "Did you mean `tool`"),
        ({"given": "{"}, 400, "call:2:"),
        ({"given": {"spent": "much"}}, 400, "much"),
        ({"call": "nope"}, 404, "no ended call 'nope'"),
    ],
)
def test_what_cannot_be_explained_says_why(house: Api, body: object, status: int, said: str) -> None:
    found = house.post("/api/policies/explain", body)
    assert found.status == status
    assert said in f"{found.error['message']} {found.error['remedy']}"


def test_a_call_whose_arguments_are_a_digest_only_says_what_was_said_then(house: Api) -> None:
    call = str(house.bureau.reader.rows("console_decisions", rule="dear")[0]["call"])
    found = house.post("/api/policies/explain", {"call": call})
    assert (found.status, found.error["code"]) == (409, "cannot_be_explained")
    assert "on record as a digest only" in found.error["message"]


def test_what_rules_saw_is_for_who_may_read_texts_and_policies_for_whom_the_tenant_is(house: Api) -> None:
    call, plain = refused(house), replace(OURS, rights=("api:read",))
    assert house.post("/api/policies/explain", {"call": call}, plain).status == 403
    assert house.post("/api/policies/explain", {"given": {"tool": "send"}}, plain).status == 200
    assert house.post("/api/policies/explain", {"call": call}, THEIRS).status == 404
    assert house.post("/api/policies/explain", {"call": call}, replace(OURS, customer="acme")).status == 403


def test_evidence_says_which_rule_decided_how_often_and_what_a_control_needs_besides(house: Api) -> None:
    told = house.get("/api/policies/evidence")
    found = {row["control"]: row for row in told["controls"]}
    rules = {row["rule"]: (row["decisions"], row["shadow_decisions"]) for row in found["SOC2.CC6.1"]["rules"]}
    assert rules == {"dear": (2, 0), "odd": (0, 3)}
    assert found["SOC2.CC6.1"]["needs"] == "Reviews each quarter."
    assert [row["rule"] for row in found["GDPR.5"]["rules"]] == ["guards.privacy"]
    assert told["without_rules"] == [{"control": "SOC2.CC7.2", "needs": "Somebody reads the alarms."}]
    assert house.get("/api/policies/evidence?until=2020-01-01")["controls"] == []


def test_findings_are_counted_by_rule_with_what_guards_found(house: Api) -> None:
    found = {row["rule"]: row for row in house.get("/api/policies/findings")["findings"]}
    assert (found["dear"]["decisions"], found["dear"]["runs"], found["dear"]["agents"]) == (2, 1, ["payer"])
    assert (found["odd"]["decisions"], found["odd"]["shadows"]) == (3, 3)
    assert found["guards.privacy"]["kinds"] == [{"kind": "privacy.email", "found": 1, "calls": 1}]
    assert [row["rule"] for row in house.get("/api/policies/findings?rule=odd")["findings"]] == ["odd"]
    assert house.get("/api/policies/findings", THEIRS)["findings"] == []
