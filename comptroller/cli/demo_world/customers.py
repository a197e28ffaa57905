"""The customers: what they say of outcomes, and what they do with invoices."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from comptroller.cli.demo_world.plan import DAY_S, HOUR_S, Planner
from comptroller.cli.demo_world.play import Done
from comptroller.cli.demo_world.script import Word
from comptroller.core.money import decimal_text, parse_money
from comptroller.core.outcome import Outcome
from comptroller.metering.invoice import Invoice
from comptroller.office import settle
from comptroller.office.bookkeeper import Bookkeeper
from comptroller.office.close import close
from comptroller.office.outcome_desk import OutcomeDesk
from comptroller.office.saying import More, Speaker, say

NS = 1_000_000_000
CENT = 10_000_000  # in nanos
PERSON = "vera"  # who decides on disputes


@dataclass(slots=True)
class Watched:
    """An outcome somebody will say something of."""

    key: str
    word: Word
    words: dict[str, Word]
    due_ns: int = 0  # 0: it has not come so far yet


class Customers:
    """Look at what was claimed for them, now and then."""

    def __init__(self, outcomes: OutcomeDesk, planner: Planner) -> None:
        self._outcomes, self._planner = outcomes, planner
        self._clock = outcomes.registry.desk.clock
        self._seen: set[str] = set(outcomes.registry.outcomes)
        self._runs: dict[str, Done] = {}
        self._watched: list[Watched] = []

    def heard(self, done: Done) -> None:
        """Work was done for somebody."""
        self._runs[done.run] = done

    def look(self) -> None:
        """Take in what is new, say what is due."""
        self._outcomes.work()
        known = self._outcomes.registry.outcomes
        for key in [key for key in known if key not in self._seen]:
            self._seen.add(key)
            self._watch(known[key])
        now = self._clock.now_ns()
        self._watched = [watched for watched in self._watched if not self._over(watched, known[watched.key], now)]

    def _watch(self, outcome: Outcome) -> None:
        done = self._runs.pop(outcome.run, None)
        words = done.work.workflow.words if done else {}
        word = words.get(self._planner.word(done.work)) if done else None
        if word is not None and word.say:
            self._watched.append(Watched(outcome.key, word, words))

    def _over(self, watched: Watched, outcome: Outcome, now: int) -> bool:
        """Say it where it is due; True where there is nothing left to say."""
        word = watched.word
        if not watched.due_ns and outcome.state == word.when:
            watched.due_ns = now + round(word.after_h * HOUR_S) * NS
        if not watched.due_ns or watched.due_ns > now:
            return False
        name = outcome.customer if word.method == "customer" else PERSON
        speaker = Speaker(name, word.method)  # type: ignore[arg-type]
        say(self._outcomes.registry, word.say, outcome.key, speaker, More(word.because, reason=word.reason))
        if not word.then:
            return True
        watched.word, watched.due_ns = watched.words[word.then], 0
        return False


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that is done with the books at some time."""

    at_ns: int
    do: Callable[[], object]


def close_month(keeper: Bookkeeper, label: str) -> list[Deed]:
    """Invoice a month; returns what will be done with the invoices, each in its time."""
    now, deeds = keeper.desk.clock.now_ns(), list[Deed]()
    for invoice in close(keeper, label, early=True):
        deeds += [replace(deed, at_ns=now + deed.at_ns) for deed in _deeds(keeper, invoice)]
    return deeds


def _deeds(keeper: Bookkeeper, invoice: Invoice) -> list[Deed]:
    """Acme pays, nordwind pays in part, kestrel is given something back, lumen lets it lie."""

    def paying(percent: int) -> Callable[[], object]:
        def pay() -> None:
            nanos = _cents(keeper.invoices.invoices[invoice.id].open, percent)
            if nanos > 0:
                amount = parse_money(f"{decimal_text(nanos)} {invoice.currency}")
                settle.pay(keeper, invoice.number, amount, f"wire-{invoice.number}", by=PERSON)

        return pay

    def credit() -> None:
        amount = parse_money(f"{decimal_text(_cents(invoice.totals.net, 10))} {invoice.currency}")
        because = "two letters went to the wrong address"
        settle.credit(keeper, invoice.number, amount, because, "letters", by=PERSON)

    known = {
        "acme": [Deed(9 * DAY_S * NS, paying(100))],
        "nordwind": [Deed(12 * DAY_S * NS, paying(60))],
        "kestrel": [Deed(5 * DAY_S * NS, credit), Deed(11 * DAY_S * NS, paying(100))],
    }
    return known.get(invoice.customer, [])


def _cents(nanos: int, percent: int) -> int:
    """A share of an amount, in whole cents."""
    return nanos * percent // 100 // CENT * CENT
