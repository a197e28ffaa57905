"""The components in a real browser: keyboard, roles, rows in the document, selection, hostile text."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.dashboards.browser import Screen, screen, streamlit

pytestmark = pytest.mark.browser
HARNESS = Path(__file__).with_name("harness.py")


@pytest.fixture(scope="module")
def home(browser: Any) -> Iterator[str]:
    with streamlit(HARNESS, env={"PYTHONPATH": str(HARNESS.parents[2])}) as address:
        yield address


@pytest.fixture(scope="module")
def desk(browser: Any, home: str) -> Iterator[Screen]:
    """One page for the module: a fresh context costs seconds, opening an address in it tenths."""
    with screen(browser, home) as shown:
        yield shown


def tree(desk: Screen, case: str = "small", more: str = "") -> Any:
    desk.open(f"/?show=waterfall&case={case}{more}")
    grid = desk.page.locator(".grid")
    grid.wait_for(state="attached")
    return grid


def active(desk: Screen) -> str:
    return str(desk.page.locator(".body .row.active .name").inner_text())


def told(desk: Screen, value: str) -> None:
    desk.page.get_by_text(f"told {value}", exact=True).wait_for()


def test_a_tree_of_33000_calls_has_only_the_rows_in_view_in_the_document(desk: Screen) -> None:
    grid = tree(desk, "big")
    desk.page.locator(".body .row").first.wait_for()
    assert grid.get_attribute("aria-rowcount") == "33001"
    assert desk.page.locator(".body .row").count() < 60
    grid.press("End")
    last = desk.page.locator(".body .row.active")
    assert last.get_attribute("aria-rowindex") == "33001"
    assert desk.page.locator(".body .row").count() < 60
    desk.check()


def test_the_keys_move_fold_and_find_problems(desk: Screen) -> None:
    grid = tree(desk)
    assert active(desk) == "vendor-onboarding"
    grid.press("ArrowDown")
    assert active(desk) == "claude-sonnet-5"
    grid.press("n")
    assert active(desk) == "scores.get"
    grid.press("n")
    assert active(desk) == "issue_refund"
    grid.press("Shift+N")
    assert active(desk) == "scores.get"
    grid.press("ArrowLeft")
    assert active(desk) == "risk-scorer"
    grid.press("ArrowLeft")
    assert desk.page.locator(".body .row.active").get_attribute("aria-expanded") == "false"
    assert desk.page.locator(".body .row").count() == 7
    grid.press("ArrowRight")
    grid.press("End")
    assert active(desk) == "claude-sonnet-5"
    grid.press("Home")
    assert active(desk) == "vendor-onboarding"


def test_a_row_says_its_level_place_and_state(desk: Screen) -> None:
    grid = tree(desk)
    assert grid.get_attribute("role") == "treegrid"
    row = desk.page.get_by_role("row").filter(has_text="scores.get")
    assert [row.get_attribute(f"aria-{name}") for name in ("level", "rowindex", "selected")] == ["3", "10", "false"]
    grid.press("ArrowDown")
    shown = desk.page.locator("#" + str(grid.get_attribute("aria-activedescendant")))
    assert "claude-sonnet-5" in shown.inner_text()


def test_enter_selects_a_call_and_python_is_told_its_id(desk: Screen) -> None:
    grid = tree(desk)
    grid.press("n")
    grid.press("Enter")
    told(desk, '"c5"')
    assert desk.page.locator('.body .row[aria-selected="true"] .name').inner_text() == "scores.get"
    desk.page.locator(".body .row").filter(has_text="web.fetch").click()
    told(desk, '"c3"')


def test_what_the_page_asks_for_is_selected_and_a_later_choice_stands(desk: Screen) -> None:
    tree(desk, more="&span=l3")
    told(desk, '"l3"')
    assert desk.page.locator('.body .row[aria-selected="true"]').get_attribute("aria-level") == "4"
    desk.page.locator(".body .row").filter(has_text="scores.get").click()
    told(desk, '"c5"')
    desk.page.get_by_role("button", name="Jump to the last call").click()
    desk.page.locator('.body .row[aria-selected="true"]').filter(has_text="Budget crossed").wait_for()


def test_repeated_calls_open_on_demand(desk: Screen) -> None:
    tree(desk)
    fold = desk.page.locator(".body .row").filter(has_text="×7")
    assert "$0.42" in fold.inner_text()
    assert desk.page.locator(".body .row").count() == 12
    fold.click()
    assert desk.page.locator(".body .row").count() == 19


def test_search_and_filters_leave_what_fits_and_the_way_to_it(desk: Screen) -> None:
    tree(desk)
    find = desk.page.get_by_role("searchbox")
    find.fill("gemini")
    assert desk.page.locator(".body .row:not(.only-path)").count() == 2
    assert "2 of 18" in desk.page.get_by_role("status").first.inner_text()
    find.press("Escape")
    desk.page.get_by_role("button", name="Only problems").click()
    assert "4 of 18" in desk.page.locator(".said").inner_text()
    desk.page.get_by_role("button", name="Only problems").click()
    find.fill("nothing is called this")
    assert desk.page.get_by_text("No call is like that.").is_visible()


def test_calls_can_be_laid_out_by_agent(desk: Screen) -> None:
    tree(desk)
    desk.page.get_by_role("button", name="By agent").click()
    lanes = desk.page.locator('.body .row[aria-level="1"]')
    assert lanes.locator(".name").all_inner_texts() == ["planner", "researcher", "risk-scorer"]
    desk.page.get_by_role("searchbox").fill("researcher")
    assert "9 of 18" in desk.page.locator(".said").inner_text()


def test_exact_amounts_stand_in_the_title_and_words_beside_the_marks(desk: Screen) -> None:
    tree(desk)
    row = desk.page.locator(".body .row").filter(has_text="Budget crossed")
    assert "$1,234.57" in row.inner_text()
    assert row.locator(".num").first.get_attribute("title") == "1234.567 USD"
    assert desk.page.locator(".badge").filter(has_text="First bad call").count() == 1


def test_an_open_call_of_a_live_run_says_so(desk: Screen) -> None:
    tree(desk, "live")
    assert desk.page.locator(".took").last.inner_text().startswith("open · ")


def test_hostile_names_are_text(desk: Screen) -> None:
    tree(desk, "hostile")
    names = desk.page.locator(".body .name").all_inner_texts()
    assert names[0].startswith("<img src=x onerror=")
    assert names[2] == "safe⟨U+202E⟩gnp.exe"
    assert names[3].startswith("nul⟨U+0000⟩and⟨U+001B⟩")
    assert desk.page.locator(".root img, .root script").count() == 0
    assert "owned" not in desk.page.title()
    desk.check()


def test_a_run_without_calls_says_what_is_missing(desk: Screen) -> None:
    tree(desk, "empty")
    assert desk.page.get_by_text("No calls are on record").is_visible()


def test_the_tree_fits_a_telephone_and_follows_the_theme(desk: Screen) -> None:
    page = desk.page
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme="dark")
    try:
        tree(desk)
        assert page.locator(".root").get_attribute("data-tone") == "dark"
        assert not page.locator(".body .num").first.is_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    finally:
        page.set_viewport_size({"width": 1200, "height": 900})
        page.emulate_media(color_scheme="light")
    page.locator('.root[data-tone="light"]').wait_for()
    assert page.locator(".body .num").first.is_visible()


def test_the_graph_is_walked_by_arrow_keys_and_tells_whom_one_chose(desk: Screen) -> None:
    desk.open("/?show=graph")
    boxes = desk.page.locator(".box")
    boxes.first.wait_for()
    assert boxes.count() == 10
    first = desk.page.get_by_role("button", name="vendor-onboarding, agent")
    first.focus()
    first.press("ArrowRight")
    focused = desk.page.locator(".box:focus")
    assert str(focused.get_attribute("aria-label")).startswith(("researcher, agent", "risk-scorer, agent"))
    focused.press("ArrowLeft")
    assert "vendor-onboarding" in str(desk.page.locator(".box:focus").get_attribute("aria-label"))
    desk.page.locator(".box:focus").press("Enter")
    told(desk, '"agent:vendor-onboarding"')
    assert first.get_attribute("aria-pressed") == "true"
    first.press("Escape")
    told(desk, '""')
    assert "1 failed" in str(desk.page.locator(".words.failed").first.text_content())
    desk.check()


def test_a_fleet_in_circles_is_drawn_and_fits_when_asked_to(desk: Screen) -> None:
    desk.open("/?show=graph&case=fleet")
    desk.page.locator(".box").first.wait_for()
    assert desk.page.locator(".box").count() <= 200
    desk.page.get_by_role("button", name="Fit the whole graph in").click()
    frame, chart = desk.page.locator(".frame").bounding_box(), desk.page.locator(".frame svg").bounding_box()
    assert chart["width"] <= frame["width"]
    assert chart["height"] <= frame["height"]
    desk.check()


def test_hostile_names_in_the_graph_are_text(desk: Screen) -> None:
    desk.open("/?show=graph&case=hostile")
    desk.page.locator(".box").first.wait_for()
    assert desk.page.locator(".root img, .root script, .root a").count() == 0
    assert "owned" not in desk.page.title()
    desk.check()


def test_a_period_is_read_by_keyboard_and_chosen_by_click_or_key(desk: Screen) -> None:
    desk.open("/?show=series")
    chart = desk.page.get_by_role("slider")
    chart.focus()
    chart.press("ArrowRight")
    chart.press("ArrowRight")
    assert "4.567901193 EUR" in str(chart.get_attribute("aria-valuetext"))
    chart.press("Enter")
    told(desk, '"2026-11-20T18:00:00+00:00"')
    chart.press("Escape")
    told(desk, '""')
    box = chart.bounding_box()
    desk.page.mouse.move(box["x"] + box["width"] - 20, box["y"] + 60)
    assert "of 120 calls failed" in desk.page.locator(".tip").inner_text()
    desk.page.mouse.click(box["x"] + box["width"] - 20, box["y"] + 60)
    told(desk, '"2026-11-22T16:00:00+00:00"')
    assert desk.page.get_by_text("Spend <b>of all</b>", exact=True).count() == 1
    desk.check()


def test_a_time_without_spend_says_so_in_words(desk: Screen) -> None:
    desk.open("/?show=series&case=empty")
    desk.page.get_by_text("Nothing was spent in this time.").wait_for()
    desk.check()


def test_a_conversation_shows_what_is_new_opens_long_texts_and_finds_words_in_them(desk: Screen) -> None:
    desk.open("/?show=messages")
    page = desk.page
    page.locator(".message").first.wait_for()
    assert page.locator("del").inner_text().strip() == "all"
    assert page.locator(".message.same pre").inner_text().endswith("…")
    page.get_by_role("button", name="Show all 3,231 letters").click()
    assert not page.locator(".message.same pre").inner_text().endswith("…")
    assert page.locator(".span").get_attribute("title") == "argument order of issue_refund"
    page.get_by_role("searchbox").fill("so-48211")
    page.get_by_text("1 of 2 places").wait_for()
    page.get_by_role("searchbox").press("Enter")
    page.get_by_text("2 of 2 places").wait_for()
    page.get_by_role("searchbox").press("Escape")
    page.get_by_role("button", name="Only what is new").click()
    assert page.locator(".message.same").count() == 0
    page.get_by_role("button", name="Raw JSON").click()
    assert '"tool_calls"' in page.locator(".list").inner_text()
    desk.check()


def test_hostile_messages_are_text_and_a_megabyte_does_not_fill_the_page(desk: Screen) -> None:
    desk.open("/?show=messages&case=hostile")
    page = desk.page
    page.locator(".message").first.wait_for()
    text = page.locator(".list").inner_text()
    assert "<img src=x onerror=" in text
    assert "safe⟨U+202E⟩gnp.exe" in text
    assert len(text) < 10_000
    assert page.locator(".root img, .root script, .root a").count() == 0
    assert "owned" not in page.title()
    page.get_by_role("button", name="Raw JSON").click()
    assert page.locator(".root img").count() == 0
    desk.check()


def test_the_components_need_no_eval_and_nothing_from_elsewhere(desk: Screen) -> None:
    policy = (
        "default-src 'none'; script-src 'self' blob:; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "font-src 'self' data:; connect-src 'self' ws://127.0.0.1:*"
    )

    def guard(route: Any) -> None:
        reply = route.fetch()
        route.fulfill(response=reply, headers={**reply.headers, "content-security-policy": policy})

    desk.page.route("**/?show=*", guard)
    try:
        for show, what in (("waterfall", ".body .row"), ("graph", ".box"), ("series", ".curve"), ("messages", "pre")):
            desk.open(f"/?show={show}")
            desk.page.locator(what).first.wait_for(state="attached")
    finally:
        desk.page.unroute("**/?show=*")
    desk.check()
