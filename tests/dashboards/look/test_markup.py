"""Markup: what is not markup already comes out as text, and no address leads out of the console."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comptroller.dashboards.look.markup import Markup, as_text, join, local, tag


class Seen(HTMLParser):
    """What a browser would make of it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def seen(markup: str) -> Seen:
    parser = Seen()
    parser.feed(markup)
    parser.close()
    return parser


@given(st.text(), st.text())
def test_a_text_adds_no_element_and_no_attribute(text: str, title: str) -> None:
    found = seen(tag("p", text, title=title))
    assert found.tags == ["p"]
    assert [name for name, _ in found.attributes] == ["title"]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"])))
def test_a_text_comes_out_as_it_went_in(text: str) -> None:
    assert seen(tag("p", text)).text == text


def test_markup_is_not_escaped_twice() -> None:
    assert tag("p", tag("b", "a & b"), " < c") == "<p><b>a &amp; b</b> &lt; c</p>"


def test_a_list_of_pieces_is_one_after_the_other() -> None:
    assert join("a", [tag("em", "b"), None, "<"], None) == "a<em>b</em>&lt;"


@pytest.mark.parametrize("name", ["script", "style", "iframe", "img", "form", "svg", "object"])
def test_an_element_that_loads_or_runs_something_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no place"):
        tag(name, "x")


@pytest.mark.parametrize("name", ["onclick", "style", "src", "srcdoc", "action"])
def test_an_attribute_that_loads_or_runs_something_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no place"):
        tag("p", "x", **{name: "x"})


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "\n/runs",
        "/a\tb",
        "",
        "data:x",
    ],
)
def test_an_address_outside_the_console_leads_nowhere(address: str) -> None:
    assert local(address) == "#"
    assert 'href="#"' in tag("a", "x", href=address)


def test_an_address_within_the_console_stays() -> None:
    assert local("/run?id=a&span=b") == "/run?id=a&span=b"
    assert seen(tag("a", "x", href='/run?id="><img>')).tags == ["a"]


def test_what_is_neither_text_nor_markup_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="neither"):
        tag("p", 3)  # type: ignore[arg-type]


def test_a_label_says_no_markdown() -> None:
    assert as_text("**a** [b](http://c) :red[x] $y$") == ("\\*\\*a\\*\\* \\[b\\]\\(http\\://c\\) \\:red\\[x\\] \\$y\\$")
    assert isinstance(tag("p"), Markup)
