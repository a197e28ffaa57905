"""Three people with a question each, in a real browser before the real processes: from the first screen to the proof.

Each step leaves a picture in `.shots/`, for people to look at.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from comptroller.office.follower import Follower
from tests.dashboards import browser as machine
from tests.dashboards import served, town
from tests.dashboards.browser import Screen
from tests.dashboards.served import Console
from tests.dashboards.town import Town

pytestmark = pytest.mark.browser

SHOTS = Path(__file__).parents[2] / ".shots"


@dataclass
class Place:
    """Where they all go."""

    console: Console
    made: Town
    browser: Any


@dataclass
class Visitor:
    """Somebody at a screen, who takes a picture of each step."""

    screen: Screen
    name: str
    step: int = 0

    @property
    def page(self) -> Any:
        return self.screen.page

    def shoot(self, what: str) -> None:
        self.step += 1
        SHOTS.mkdir(exist_ok=True)
        self.page.wait_for_timeout(300)  # for the picture alone: what opens, opens slowly
        self.page.screenshot(path=SHOTS / f"{self.name}-{self.step:02d}-{what}.png")

    def follow(self, text: str, nth: int = 0, within: str = "body") -> None:
        """Click on a link."""
        with self.screen.run():
            self.page.locator(within).get_by_role("link", name=text).nth(nth).click()

    def menu(self, title: str) -> None:
        """Click on a page in the navigation."""
        with self.screen.run():
            self.page.get_by_test_id("stSidebarNav").get_by_role("link", name=title, exact=True).click()

    def press(self, name: str, exact: bool = True) -> None:
        """Press a button that makes the script run."""
        with self.screen.run():
            self.page.get_by_role("button", name=name, exact=exact).last.click()

    def because(self, words: str, button: str) -> None:
        """Say why in the dialog, and confirm."""
        dialog = self.page.get_by_role("dialog")
        field = dialog.get_by_role("textbox")
        field.fill(words)
        with self.screen.run():
            field.press("Tab")
        with self.screen.run():
            dialog.get_by_role("button", name=button).last.click()

    def text(self) -> str:
        """All that can be read on the page, in the shadow of our own parts too."""
        return str(self.page.evaluate(TEXT))


TEXT = """() => {
  const said = []
  const read = (root) => {
    for (const node of root.childNodes) {
      if (node.nodeType === 3) said.push(node.textContent)
      else if (node.nodeType === 1 && !["STYLE", "SCRIPT"].includes(node.tagName)) {
        if (node.shadowRoot) read(node.shadowRoot)
        read(node)
      }
    }
  }
  read(document.querySelector("[data-testid=stApp]"))
  return said.join(" ").replace(/\\s+/g, " ")
}"""


@pytest.fixture(scope="module")
def place(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = town.build(tmp_path_factory.mktemp("town"))
    with served.over(made.ledger, made.config) as console:
        yield Place(console, made, browser)


@contextmanager
def visitor(place: Place, name: str, role: str, **options: Any) -> Iterator[Visitor]:
    with machine.screen(place.browser, place.console.url, **{"width": 1280, "height": 900, **options}) as screen:
        place.console.let_in(screen, name, role)
        yield Visitor(screen, name.lower())


def test_an_auditor_goes_from_a_denied_payment_to_its_rule_and_its_place_in_the_record(place: Place) -> None:
    with visitor(place, "Aud", "compliance") as aud:
        aud.shoot("overview")
        aud.menu("Audit")
        aud.shoot("audit")
        aud.screen.go("/audit?action=deny&shadow=false")
        aud.shoot("denied")
        assert "Agents pay at most 5,000 USD. Pass the invoice on." in aud.text()
        aud.follow("payment-over-5000", within="[data-testid=stMain]")
        aud.shoot("rule")
        assert "payment-over-5000" in aud.text()
        assert "args.amount > 5000.0" in aud.text()
        assert "Version" in aud.text()
        aud.page.go_back()
        aud.screen.settle()
        row = aud.page.locator("tr", has_text="payment-over-5000")
        with aud.screen.run():
            row.get_by_role("link").last.click()
        aud.shoot("record")
        assert "record=" in aud.page.url
        assert "payment-over-5000" in aud.text()
        aud.press("Check now")
        aud.page.get_by_text("Chain intact.").wait_for()
        aud.shoot("intact")


def test_finance_goes_from_a_margin_that_fell_to_the_disputed_outcome_and_its_credit_note(place: Place) -> None:
    with visitor(place, "Fin", "finance") as fin:
        fin.shoot("overview")
        fin.menu("Unit economics")
        fin.shoot("economics")
        fin.menu("Outcomes")
        fin.shoot("outcomes")
        fin.follow("1", within="[data-testid=stMain] .ct-figures")
        fin.shoot("disputed")
        fin.follow("order-2")
        fin.shoot("outcome")
        assert "The customer never got the money." in fin.text()
        fin.follow("Give it back on a credit note")
        fin.shoot("credit")
        fin.press("Issue the credit note")
        fin.shoot("confirm")
        fin.because("The money never came.", "Issue the credit note")
        fin.shoot("credited")
        number = place.made["invoice acme"]
        told = fin.text()
        assert f"{number}" in told
        assert "The money never came." in told
    notes = [fact for fact in Follower(place.made.ledger, "books.").read() if "The money never came." in str(fact.data)]
    assert notes
    assert all("'Fin'" in str(fact.data) for fact in notes)


def test_an_engineer_goes_from_a_failed_run_to_its_first_bad_call_and_what_differed(place: Place) -> None:
    with visitor(place, "Eng", "engineer") as eng:
        eng.shoot("overview")
        eng.menu("Failures")
        eng.shoot("failures")
        eng.menu("Runs")
        eng.shoot("runs")
        eng.screen.go(f"/run?id={place.made['run inv-2']}")
        eng.shoot("run")
        eng.follow("book_invoice")
        eng.shoot("bad-call")
        eng.follow("Compare with the last good run")
        eng.shoot("compare")


def test_a_held_payment_is_approved_on_a_phone_without_a_sideways_scroll(place: Place) -> None:
    with visitor(place, "Pho", "finance", width=390, height=844, has_touch=True) as pho:
        pho.screen.go("/approvals")
        pho.shoot("inbox")
        assert "1 for you to answer" in pho.text()
        with pho.screen.run():
            pho.page.get_by_role("option", name="pay_invoice").tap()
        pho.shoot("request")
        assert "payments wants to call pay_invoice" in pho.text()
        assert pho.page.evaluate("document.documentElement.scrollWidth") <= 390
        button = pho.page.get_by_role("button", name="Approve", exact=True)
        assert button.bounding_box()["height"] >= 44
        with pho.screen.run():
            button.tap()
        pho.shoot("confirm")
        with pho.screen.run():
            pho.page.get_by_role("dialog").get_by_role("button", name="Approve").tap()
        pho.shoot("approved")
    answers = list(Follower(place.made.ledger, "approval.answered").read())
    assert [(fact.data["answer"], fact.data["by"]) for fact in answers] == [("approve", "Pho")]


def test_an_engineer_walks_from_the_list_of_runs_into_the_trace_by_keyboard_alone(place: Place) -> None:
    run = place.made["run inv-2"]
    with visitor(place, "Key", "engineer") as key:
        key.screen.go("/runs?status=error")
        step = key.page.keyboard.press
        reach(key.page, f"a[href*='{run}']")
        with key.screen.run():
            step("Enter")
        assert f"id={run}" in key.page.url
        reach(key.page, ".grid")
        for pressed in ("Home", "ArrowDown", "ArrowDown", "End", "Home", "n"):
            step(pressed)
        active = key.page.evaluate(f"() => {{ {ACTIVE} return row() }}")
        assert "book_invoice" in active
        step("Home")
        step("ArrowDown")
        first = key.page.evaluate(f"() => {{ {ACTIVE} return row() }}")
        assert first != active
        step("n")
        with key.screen.run():
            step("Enter")
        key.shoot("trace")
        assert "span=" in key.page.url
        assert "409 from ledger.internal" in key.text()


# What has the focus, also within the shadow of our own parts; and the row of the trace that the keys have reached.
ACTIVE = """
  const focus = (at = document.activeElement) => at?.shadowRoot?.activeElement ? focus(at.shadowRoot.activeElement) : at
  const row = () => focus()?.querySelector(".row.active")?.textContent ?? ""
"""
MOST_TABS = 120


def reach(page: Any, selector: str) -> None:
    """Press Tab until something has the focus."""
    page.evaluate("document.activeElement?.blur()")
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if page.evaluate(f"(wanted) => {{ {ACTIVE} return focus()?.matches(wanted) ?? false }}", selector):
            return
    pytest.fail(f"Tab never came to {selector}")


def test_whoever_signs_out_is_out(place: Place) -> None:
    with visitor(place, "Out", "viewer") as out:
        out.page.get_by_role("link", name="Sign out").click()
        out.page.get_by_role("button", name="Sign out").click()
        out.page.goto(place.console.url + "/runs")
        out.shoot("out")
        assert "/signin" in out.page.url
