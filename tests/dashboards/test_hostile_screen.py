"""What outsiders wrote, in a real browser: it is shown as text, runs nowhere and calls nobody."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from tests.dashboards import browser as machine
from tests.dashboards import ledgers, served
from tests.dashboards.browser import Screen
from tests.dashboards.house import connected, somebody
from tests.dashboards.ledgers import MARK
from tests.dashboards.town import Town
from tests.dashboards.walk import walk

pytestmark = pytest.mark.browser

WITH_WORDS = ("odd 0", "odd 3", "odd 11")  # an image, Markdown, markup that closes other markup
# Everything on the page and in the shadow of our own parts that no text should have become.
FOUND = """mark => {
  const ours = (value) => {
    const { protocol, origin } = new URL(value, location)
    return ["data:", "blob:"].includes(protocol) || origin === location.origin
  }
  const found = window[mark] === undefined ? [] : ["ran: " + window[mark]]
  const look = (root) => {
    for (const one of root.querySelectorAll("*")) {
      if (one.shadowRoot) look(one.shadowRoot)
      const name = one.tagName.toLowerCase()
      for (const { name: said, value } of one.attributes) {
        if (/^on/.test(said)) found.push(`${name} ${said}=${value}`)
        if (/^(src|href|action|srcset|data)$/.test(said) && !ours(value)) found.push(`${name} ${said}=${value}`)
      }
      if (name === "img" && one.getAttribute("src") === "x") found.push("img")
      if (["iframe", "base", "object", "embed"].includes(name)) found.push(name)
      if (name === "script" && one.textContent.includes(mark)) found.push("script")
      if (name === "style" && /^\\*\\{display:none\\}/.test(one.textContent)) found.push("style")
      if (name === "strong" && one.textContent.trim() === "bold") found.push("markdown")
    }
  }
  look(document)
  return found
}"""


@dataclass
class Guarded:
    """A screen at which everything is noted that must not happen."""

    screen: Screen
    noted: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        page, own = self.screen.page, urlsplit(self.screen.home).netloc
        page.on("dialog", lambda dialog: (self.noted.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: self._asked(request.url, own))
        page.on("popup", lambda popup: self.noted.append(f"popup: {popup.url}"))

    def _asked(self, url: str, own: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob") and parts.netloc != own:
            self.noted.append(f"request: {url}")

    def look(self, address: str) -> list[str]:
        """What is wrong at an address."""
        page = self.screen.page
        self.screen.go(address)
        found = list(page.evaluate(FOUND, MARK))
        if page.locator('[data-testid="stException"]').count():
            found.append("the page broke")
        return [f"{address[:120]}: {each[:300]}" for each in found]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[Town, list[str]]:
    """The ledger, and one address of each kind that its pages lead to."""
    made = ledgers.hostile(tmp_path_factory.mktemp("hostile"))
    starts = [f"/run?{urlencode({'id': made[odd], 'tab': tab})}" for odd in WITH_WORDS for tab in ("trace", "talk")]
    with connected(made.ledger, made.config):
        return made, [address for address, page in walk(somebody(), starts, each=1) if not page.exception]


@pytest.fixture(scope="module")
def guarded(browser: Any, hostile: tuple[Town, list[str]]) -> Iterator[Guarded]:
    made, _ = hostile
    with served.over(made.ledger, made.config) as console, machine.screen(browser, console.url, width=1280) as screen:
        found = Guarded(screen)
        console.let_in(screen, "Root", "admin")
        yield found


def test_nothing_an_outsider_wrote_runs_or_calls_out(guarded: Guarded, hostile: tuple[Town, list[str]]) -> None:
    faults = [fault for address in hostile[1] for fault in guarded.look(address)]
    assert "\n".join(faults + guarded.noted) == ""
    assert len(hostile[1]) > 30


def test_what_an_outsider_put_there_would_be_found(guarded: Guarded) -> None:
    page = guarded.screen.go("/").page
    page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', `<img src=x onerror='0'><a href='//elsewhere.invalid'>`)"
    )
    found = page.evaluate(FOUND, MARK)
    page.evaluate("document.querySelectorAll('img[src=x], body > a').forEach((one) => one.remove())")
    assert found == ["img onerror=0", "img", "a href=//elsewhere.invalid"]
