"""What a page may ask: the person's tenant is forced in, and an answer is remembered until the data moves."""

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow
import pytest

from comptroller.dashboards import source
from comptroller.dashboards.source import Document, Memory, Source
from comptroller.office.people import NotLetIn
from comptroller.office.who import NotAllowed, Who


class Counting:
    """A connection that answers with what it was asked, and counts."""

    def __init__(self) -> None:
        self.sequence, self.asked, self.fails = 1, [], False  # type: ignore[var-annotated]

    def query(self, name: str, params: Mapping[str, object]) -> pyarrow.Table:
        if name == "console_position":
            return pyarrow.Table.from_pylist([{"sequence": self.sequence}])
        self.asked.append((name, dict(params)))
        return pyarrow.Table.from_pylist([{"asked": len(self.asked)}])

    def call(self, who: Who, method: str, path: str, query: Mapping[str, object], body: object | None) -> Any:
        self.asked.append((method, path, dict(query), body, who.person))
        if self.fails:
            raise RuntimeError("the line broke")
        return {"asked": len(self.asked)}

    def fetch(self, who: Who, path: str, query: Mapping[str, object]) -> Document:
        self.asked.append(("GET", path, dict(query), None, who.person))
        return Document(b"x", "text/plain", "x")

    def refresh(self) -> None:
        self.sequence += 1


@pytest.fixture
def line() -> Iterator[Counting]:
    made = Counting()
    source.connect(made)
    yield made
    source.connect(None)


def of(tenant: str = "a", customer: str = "", person: str = "maria") -> Source:
    return Source(Who(tenant, customer, person=person))


def test_the_tenant_of_the_person_is_forced_into_every_query(line: Counting) -> None:
    of("a").rows("console_runs", tenant="b", limit=5)
    assert line.asked == [("console_runs", {"tenant": "a", "limit": 5})]


def test_who_is_for_one_customer_cannot_ask_for_another(line: Counting) -> None:
    of("a", "acme").rows("console_runs", customer="globex")
    assert line.asked[0][1]["customer"] == "acme"


def test_who_is_for_all_customers_may_narrow(line: Counting) -> None:
    of("a").rows("console_runs", customer="globex")
    assert line.asked[0][1]["customer"] == "globex"


def test_the_same_question_is_asked_once(line: Counting) -> None:
    assert of().rows("console_runs") == of().rows("console_runs")
    assert len(line.asked) == 1


def test_another_tenant_never_gets_a_remembered_answer(line: Counting) -> None:
    assert of("a").rows("console_runs") != of("b").rows("console_runs")


def test_another_right_never_gets_a_remembered_answer_of_the_api(line: Counting) -> None:
    Source(Who("a", rights=("api:read", "api:bodies"))).get("/api/calls/1")
    Source(Who("a", rights=("api:read",))).get("/api/calls/1")
    assert len(line.asked) == 2


def test_after_an_act_everything_is_asked_anew(line: Counting) -> None:
    before = of().rows("console_runs")
    of().post("/api/outcomes/1/confirm", because="seen")
    assert line.asked[1] == ("POST", "/api/outcomes/1/confirm", {}, {"because": "seen"}, "maria")
    assert of().rows("console_runs") != before


def test_an_act_that_broke_off_may_have_happened_so_everything_is_asked_anew(line: Counting) -> None:
    before = of().rows("console_runs")
    line.fails = True
    with pytest.raises(RuntimeError):
        of().post("/api/outcomes/1/confirm")
    assert of().rows("console_runs") != before


def test_names_to_choose_from_are_not_asked_for_at_each_new_record(
    line: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "FRESH_S", -1.0)
    monkeypatch.setattr(source, "LATELY_S", 1e12)
    before = of().lately("console_options")
    line.sequence += 1
    assert of().lately("console_options") == before
    assert of("b").lately("console_options") != before
    monkeypatch.setattr(source, "LATELY_S", 1e-9)
    assert of().lately("console_options") != before


def test_a_file_is_never_remembered(line: Counting) -> None:
    for _ in range(2):
        of().fetch("/api/invoices/1")
    assert len(line.asked) == 2


def test_what_a_page_asked_is_counted(line: Counting) -> None:
    asked = of()
    asked.rows("console_runs")
    asked.rows("console_runs")
    assert asked.effort.queries == 1


def test_memory_lets_go_of_the_oldest_where_there_is_no_room() -> None:
    memory = Memory(100)
    for number in range(6):
        memory.keep(number, f"answer {number}", 20)
    assert memory.get(0) is None
    assert memory.get(5) == "answer 5"


def test_an_answer_that_would_fill_the_memory_is_not_kept() -> None:
    memory = Memory(100)
    memory.keep("large", "x", 60)
    assert memory.get("large") is None


def test_a_page_of_an_unconnected_console_is_our_own_mistake() -> None:
    with pytest.raises(RuntimeError, match="connected to nothing"):
        of().rows("console_runs")


def test_what_was_drawn_before_rights_were_taken_away_does_nothing_any_more(line: Counting) -> None:
    admin, now = Who("a", person="maria", rights=("api:keys",)), [Who("a", person="maria", rights=("api:keys",))]
    drawn = Source(admin, still=lambda: now[0])
    drawn.post("/api/keys")
    asked = list(line.asked)
    now[0] = Who("a", person="maria", rights=("api:read",))
    for use in (
        lambda: drawn.post("/api/keys"),
        lambda: drawn.get("/api/keys"),
        lambda: drawn.fetch("/api/keys"),
        lambda: drawn.rows("console_runs"),
    ):
        with pytest.raises(NotAllowed, match="changed meanwhile"):
            use()
    assert line.asked == asked


def test_what_was_drawn_for_a_session_that_ended_does_nothing_any_more(line: Counting) -> None:
    with pytest.raises(NotLetIn, match="has ended"):
        Source(Who("a"), still=lambda: None).post("/api/keys")
    assert line.asked == []


@pytest.mark.parametrize("id", ["a?customer=globex", "a#b", "a b", "a\r\nhost: evil", "é", "\ud800"])
def test_an_id_of_any_make_is_a_part_of_the_path_and_no_more(line: Counting, id: str) -> None:
    of().get(f"/api/runs/{id}")
    of().post(f"/api/runs/{id}/close")
    of().fetch(f"/api/runs/{id}")
    for _, path, query, *_ in line.asked:
        assert path.startswith("/api/runs/")
        assert path.isascii()
        assert not set(path) & set(" ?#\r\n")
        assert query == {}


def test_what_was_made_fit_to_travel_already_stays(line: Counting) -> None:
    of().get("/api/invoices/a%2Fb/account")
    assert line.asked[0][1] == "/api/invoices/a%2Fb/account"
