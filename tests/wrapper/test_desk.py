"""The desk: what it opens, what it refuses to open, and policies that change while it is open."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

import comptroller as ct
from comptroller.testing import Upstream
from comptroller.wrapper import shelf
from comptroller.wrapper.desk import Desk, open_or_none, set_desk

DENY = "policy: p\nrules:\n  - {id: r, on: agent, then: deny, because: No agents today.}\n"
ALLOW = "policy: p\nrules: []\n"


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[str], Desk]:
    made: list[Desk] = []

    def open_with(policy: str) -> Desk:
        path = tmp_path / "p.yaml"
        path.write_text(policy, encoding="utf-8")
        made.append(ct.open(tmp_path / "ledger", config={"policies": [str(path)]}))
        return made[-1]

    yield open_with  # type: ignore[misc]
    for desk in made:
        desk.close()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "LOOK_EVERY_S", 0.0)


def test_a_changed_policy_is_in_force_from_the_next_run_on(opened: Callable[[str], Desk], tmp_path: Path) -> None:
    opened(ALLOW)
    with ct.run("w") as run, run.agent("a"):
        pass
    (tmp_path / "p.yaml").write_text(DENY, encoding="utf-8")
    with ct.run("w") as run, pytest.raises(ct.Denied, match="No agents today"), run.agent("a"):
        pass


def test_a_broken_new_version_is_refused_loudly_and_the_old_one_stays(
    opened: Callable[[str], Desk], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    opened(DENY)
    (tmp_path / "p.yaml").write_text("policy: p\nrulez: []\n", encoding="utf-8")
    caplog.set_level(logging.ERROR, "comptroller")
    with ct.run("w") as run, pytest.raises(ct.Denied, match="No agents today"), run.agent("a"):
        pass
    assert "p.yaml:2" in caplog.text


def test_no_policies_at_all_is_said_loudly(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "comptroller"), ct.open(tmp_path / "l"):
        assert "every call is allowed" in caplog.text


def test_a_mistake_in_a_policy_is_told_before_a_ledger_is_made(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("policy: p\nrulez: []\n", encoding="utf-8")
    with pytest.raises(ct.SettingsError, match="rulez"):
        ct.open(tmp_path / "ledger", config={"policies": [str(tmp_path / "p.yaml")]})
    assert not (tmp_path / "ledger").exists()


@pytest.mark.parametrize("rate", ["much", "0", "-1"])
def test_a_rate_that_is_none_is_refused_in_words(tmp_path: Path, rate: str) -> None:
    with pytest.raises(ct.SettingsError, match="fx: EUR/USD"):
        ct.open(tmp_path / "l", config={"fx": {"EUR/USD": rate}})


def test_a_ledger_elsewhere_is_refused_until_it_is_supported(tmp_path: Path) -> None:
    with pytest.raises(ct.SettingsError, match="Name a directory"):
        ct.open("postgresql://somewhere/db")


def test_closing_twice_is_harmless_and_nothing_is_open_afterwards(tmp_path: Path) -> None:
    before = set_desk(None)
    desk = ct.open(tmp_path / "l")
    desk.close()
    desk.close()
    assert open_or_none() is None
    set_desk(before)


def test_a_cap_in_another_currency_is_converted_with_the_rate_given(tmp_path: Path) -> None:
    import httpx2

    policy = tmp_path / "p.yaml"
    policy.write_text("policy: p\nbudgets:\n  - {per: run, cap: 0.01 EUR, over: deny}\n", encoding="utf-8")
    config = {"policies": [str(policy)], "fx": {"EUR/USD": "1.10"}}
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}
    with ct.open(tmp_path / "l", config=config), Upstream("x") as up, ct.wrap(httpx2.Client()) as client, ct.run("w"):
        client.post(up.url + "/v1/chat/completions", json={**body, "max_tokens": 100})
        with pytest.raises(ct.OverBudget, match="EUR"):
            client.post(up.url + "/v1/chat/completions", json={**body, "max_tokens": 5_000})


def test_a_changed_policy_is_in_force_within_an_open_run(opened: Callable[[str], Desk], tmp_path: Path) -> None:
    opened(ALLOW)

    @ct.tool(effect="write")
    def pay() -> str:
        return "paid"

    with ct.run("w"):
        assert pay() == "paid"
        deny = "policy: p\nrules:\n  - {id: r, on: tool, tool: pay, then: deny}\n"
        (tmp_path / "p.yaml").write_text(deny, encoding="utf-8")
        with pytest.raises(ct.Denied):
            pay()
