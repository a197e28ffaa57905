"""Acts in a real browser: what is confirmed is done once, and what a page hands out comes also to who signed in."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("streamlit")
from comptroller.office import people
from tests.dashboards.browser import Screen, screen
from tests.dashboards.served import Console, over

pytestmark = pytest.mark.browser

SCRIPT = """
from pathlib import Path
import streamlit as st
from comptroller.dashboards import frame, session
from comptroller.dashboards.source import Document

def do(because):
    with (Path(__file__).parent / "done").open("a") as file:
        file.write(because + "\\n")
    return "Done."

def make():
    return Document(frame.source().who.person.encode(), "text/plain", "who")

frame.begin()
frame.act("Give back", do, "Really?", key="give", because=True, confirm="Yes, give")
frame.download("Who", make, "who.txt", "text/plain", key="who")
source = frame.source()
frame.act("Invite Mallory", lambda _: source.post("/api/people", name="Mallory", role="viewer")["name"], "?", key="ask")
person = session.person()
st.text(f"{person.name} is {person.role}")
frame.foot()
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("acts")
    (made / "page.py").write_text(SCRIPT)
    return made


@pytest.fixture(scope="module")
def house(place: Path) -> Iterator[Console]:
    with over(place / "ledger", script=str(place / "page.py")) as made:
        yield made


@pytest.fixture
def shown(browser: Any, house: Console, request: pytest.FixtureRequest) -> Iterator[Screen]:
    with screen(browser, house.url) as made:
        yield house.let_in(made, request.node.name.replace("_", " ")[:40], "admin")


def test_a_yes_that_is_pressed_twice_is_done_once(shown: Screen, place: Path) -> None:
    shown.page.get_by_role("button", name="Give back").click()
    shown.page.get_by_role("textbox").fill("it was wrong")
    shown.page.get_by_role("textbox").press("Tab")
    shown.settle()
    shown.page.get_by_role("button", name="Yes, give").dblclick()
    shown.page.get_by_role("dialog").wait_for(state="detached")
    shown.settle()
    assert (place / "done").read_text() == "it was wrong\n"


def test_a_file_is_made_for_who_signed_in(shown: Screen) -> None:
    with shown.page.expect_download() as told:
        shown.page.get_by_role("button", name="Who").click()
    assert Path(told.value.path()).read_text() == "test a file is made for who signed in"


def test_a_yes_after_the_role_was_taken_away_does_nothing(shown: Screen, house: Console, place: Path) -> None:
    name = "test a yes after the role was taken away"
    shown.page.get_by_role("button", name="Invite Mallory").click()
    shown.page.get_by_role("dialog").wait_for()
    people.change(house.desk.ledger, house.desk.clock, house.register.meant(name)[0], "viewer", "root")
    # Whichever is first: the press, or the line that is cut and takes the question with it.
    shown.page.evaluate("""document.querySelector("[role=dialog] [data-testid=stBaseButton-primary]")?.click()""")
    shown.page.get_by_text(f"{name} is viewer").wait_for()
    assert not house.register.meant("Mallory")
