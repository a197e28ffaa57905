"""The tribunal: judged rules tried out on calls that are not made, with their judges really asked.

What it costs is counted under the judges' own budgets, of which this desk begins anew, and told; it is on no ledger.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from secrets import token_bytes

from comptroller.core.clock import SYSTEM
from comptroller.core.facts import CALL_CLOSED
from comptroller.core.judges import Result
from comptroller.core.settings import Settings
from comptroller.core.verdict import Case, Decision
from comptroller.policies.book import Book
from comptroller.policies.judging import KNOWN, left_open
from comptroller.testing.memory import MemoryLedger
from comptroller.wrapper.bench import Hearing
from comptroller.wrapper.boundary import Boundary
from comptroller.wrapper.context import RunState
from comptroller.wrapper.desk import Desk
from comptroller.wrapper.judging import NOTHING, put, results


class Sheet(MemoryLedger):
    """A ledger for as long as it is asked, with a key of its own: marks around what is judged cannot be guessed."""

    def __init__(self) -> None:
        super().__init__(SYSTEM)
        self._key = token_bytes(32)

    def digest(self, data: bytes) -> str:
        """Keyed."""
        return blake2b(data, digest_size=16, key=self._key).hexdigest()


class AskingBook(Book):
    """A book that asks its judges. What they say of a case is known of it from then on, however it is altered."""

    def __init__(self, book: Book, desk: Desk) -> None:
        super().__init__(book.policies)
        self._desk = desk
        self._run = RunState(desk.clock.new_id(), "", Boundary())

    def decide(self, case: Case) -> Decision:
        """What the policies say of a case, its judges heard."""
        decision = super().decide(case)
        if decision.unasked is None:
            return decision
        case.known = {**case.known, **self._answers(case, decision)}
        return super().decide(case)

    def _answers(self, case: Case, decision: Decision) -> dict[str, Result]:
        questions = left_open(decision)
        asked = [one for question in questions for one in put(question, case, NOTHING, "", self._run)]
        opinions = Hearing(self._desk.bench, asked).wait()
        return {KNOWN + question.rule: result for question, result, _ in results(questions, opinions)}


@contextmanager
def asking(book: Book, settings: Settings) -> Iterator[tuple[AskingBook, "Counter[str]"]]:
    """The book with its judges asked; and, once it is over, what they cost by currency."""
    ledger, spent = Sheet(), Counter[str]()
    with Desk(settings, ledger, SYSTEM, book) as desk:
        yield AskingBook(book, desk), spent
    for fact in ledger.of(CALL_CLOSED):
        cost = fact.data["cost"]
        assert isinstance(cost, int), "money is whole"
        spent[str(fact.data["currency"])] += cost
