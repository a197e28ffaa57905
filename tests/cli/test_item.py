"""One thing of many: who names it is told which ones there are, and what became of it."""

import json
from types import SimpleNamespace

import pytest
import typer

from comptroller.cli import item
from comptroller.cli.main import Misuse


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([], "No key is called 'k'. List them with `comptroller keys ls`."),
        (["k1", "k2"], "'k' means more than one key (k1, k2). Say more of it."),
        (["k1", "k2", "k3", "k4"], "'k' means more than one key (k1, k2, k3, ...). Say more of it."),
    ],
)
def test_a_name_that_means_none_or_several_is_told_with_what_there_is(found: list[str], said: str) -> None:
    with pytest.raises(Misuse) as told:
        item.meant(found, "k", "key", "keys", str)
    assert str(told.value) == said


def test_the_only_one_found_is_the_one_meant() -> None:
    assert item.meant(["k1"], "k", "key", "keys", str) == "k1"


def test_only_what_is_known_is_told_and_nothing_a_terminal_acts_on(capsys: pytest.CaptureFixture[str]) -> None:
    item.say_fields({"a": "x\x1b[31m", "b": None, "c": ["one", "two"], "fee": "1.50"}, "a", "b", "c", "fee", fee=" USD")
    assert capsys.readouterr().out.splitlines() == ["a           x", "c           one, two", "fee         1.50 USD"]


def test_what_was_not_done_is_told_with_its_reason_and_ends_with_one(capsys: pytest.CaptureFixture[str]) -> None:
    for as_json in (False, True):
        with pytest.raises(typer.Exit) as ended:
            item.say_done("o1", "billed", "it is too late", {"outcome": "o1"}, as_json, "  and more")
        assert ended.value.exit_code == 1
    text, _, data = capsys.readouterr().out.partition("\n")
    assert text.startswith("o1  ")
    assert text.endswith("billed  not done: it is too late.")
    assert json.loads(data) == {"outcome": "o1", "not_done": "it is too late"}


def test_whom_it_is_for_leaves_the_tenant_out_that_everything_is_of() -> None:
    ours = SimpleNamespace(tenant="default", customer="acme", user="")
    assert item.whose(ours, "customer", "user") == ["customer acme"]
    ours.tenant = "north"
    assert item.whose(ours, "customer", "user") == ["tenant north", "customer acme"]
