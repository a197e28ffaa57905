"""The examiner: takes claims in, has them verified, asks systems of others, and says when a deadline is past.

Any process may have one. Two of them do the same work under the same ids, and the first to be on record is what
counts; only asking others is done by one at a time.
"""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

from comptroller.core.outcome import Outcome, OutcomeEvent
from comptroller.metering.attribution import Weights, weights
from comptroller.metering.outcome_frame import Check
from comptroller.office.books import Books, NoBooks, account_of, work_of
from comptroller.office.claims import Intake, Rules
from comptroller.office.evidence import gathered
from comptroller.office.outcomes import Registry
from comptroller.office.post import Answer, Letter, post_all
from comptroller.office.schedule import Schedule
from comptroller.office.verifiers import callback
from comptroller.office.verifiers.panel import Panel
from comptroller.office.verifiers.verdict import Hearing, Verdict

LOCK = "callbacks.lock"
MOST_LETTERS = 100  # asked of others in one go
Post = Callable[[list[Letter], int], list[Answer]]


class Examiner:
    """Does all the work on outcomes that needs no person."""

    def __init__(
        self, registry: Registry, panel: Panel | None = None, books: Books | None = None, post: Post = post_all
    ) -> None:
        self.registry = registry
        self.desk = registry.desk
        self.books = books or NoBooks()
        self.panel = panel or Panel(registry.types)
        self.intake = Intake(registry)
        self.rules = Rules(registry, self.panel, self.books)
        self.schedule = Schedule(registry)
        self._post = post
        self._open: dict[str, None] = {}  # claimed, in the order they were
        registry.listeners.append(self._heard)
        for outcome in registry.outcomes.values():
            self._heard(None, outcome)
        registry.weigh = self.weigh

    def work(self) -> None:
        """Do all there is to do now."""
        self.work_here()
        self.ask_others()
        self.schedule.tick(self.desk.clock.now_ns())

    def work_here(self) -> None:
        """Do what waits for nobody elsewhere."""
        self.registry.catch_up()
        self.rules.catch_up()
        self.intake.catch_up()
        # First what time has decided: who comes after a deadline comes too late, whoever looks first.
        self.schedule.tick(self.desk.clock.now_ns())
        for key in list(self._open):
            self.verify(key)
        self.schedule.tick(self.desk.clock.now_ns())

    def verify(self, key: str) -> None:
        """Hear every check of a claim that has not spoken on the evidence there is."""
        hearing: Hearing | None = None
        outcome = self.registry.outcomes[key]
        for check in self._unheard(outcome):
            found, tries = self._check(outcome, check), self._tried(outcome, check)
            if (found and found.by == "callback") or (tries and not self._again(outcome, found, tries)):
                continue
            hearing = hearing or self._hearing(outcome)
            verdict = self.panel.hear(check, hearing) if hearing else None
            if verdict is None:
                continue
            judged = found is not None and found.by == "judge"  # all others would say the same again
            self.tell_verdict(outcome, check, verdict, tries + 1, durable=judged)
            if self.registry.outcomes[key].state != "claimed":
                return

    def tell_verdict(
        self, outcome: Outcome, check: str, verdict: Verdict, nth: int = 0, durable: bool = True
    ) -> Outcome | None:
        """Put a verdict on record; of one that did not come about, that it was asked for."""
        type = self.registry.types[outcome.type]
        name = "verify_unsure" if verdict.passed is None else "verify_pass" if verdict.passed else "verify_fail"
        pieces = len(outcome.evidence)
        data: dict[str, object] = {"verifier": check, "pieces": pieces}
        if verdict.because:
            data["because"] = verdict.because
        if verdict.degree is not None:
            data["degree"] = verdict.degree
        if verdict.weights and outcome.terms is not None and outcome.terms.split == "verifier":
            data["weights"] = [list(pair) for pair in verdict.weights]
        id = f"{outcome.key}:verify:{check}:{pieces}" + (f":try{nth}" if verdict.passed is None else "")
        attestor = verdict.attestor or f"verifier {check}"
        return self.registry.tell(
            OutcomeEvent(
                id,
                outcome.key,
                name,
                self.desk.clock.now_ns(),
                actor="examiner",
                attestor=attestor,
                method=type.method_of(check),
                data=data,
            ),
            durable,
        )

    def weigh(self, outcome: Outcome, event: OutcomeEvent) -> Weights:
        """How the fee of an outcome is split when it is verified now."""
        terms = outcome.terms
        split = terms.split if terms else "last"
        work = work_of(self.books, outcome.run) if split == "cost" else []
        return weights(split, outcome.agents, work, outcome.weights)

    # -- asking others

    def ask_others(self) -> None:
        """Ask the systems of record that it is time to ask; one process at a time."""
        due = list(self._due_letters())[:MOST_LETTERS]
        if not due:
            return
        lock = FileLock(Path(self.desk.settings.ledger) / LOCK) if Path(self.desk.settings.ledger).is_dir() else None
        try:
            if lock is not None:
                lock.acquire(blocking=False)
        except Timeout:
            return
        try:
            self._ask(due)
        finally:
            if lock is not None:
                lock.release()

    def _ask(self, due: list[tuple[Outcome, Check, int, Letter | str]]) -> None:
        letters = [letter for _, _, _, letter in due if isinstance(letter, Letter)]
        answers = iter(self._post(letters, self.desk.clock.now_ns()) if letters else [])
        for outcome, check, tries, letter in due:
            if isinstance(letter, str):
                verdict = Verdict(None, letter)
            else:
                verdict = callback.heard(check, outcome, next(answers), self.desk.clock.now_ns()).verdict
            self.tell_verdict(outcome, check.id, verdict, tries + 1)

    def _due_letters(self) -> Iterable[tuple[Outcome, Check, int, Letter | str]]:
        for key in list(self._open):
            outcome = self.registry.outcomes[key]
            for check in map(partial(self._check, outcome), self._unheard(outcome)):
                tries = self._tried(outcome, check.id) if check else 0
                if check is None or check.by != "callback" or not self._again(outcome, check, tries):
                    continue
                hearing = self._hearing(outcome)
                if hearing is not None:
                    yield outcome, check, tries, self._letter(check, hearing)

    def _letter(self, check: Check, hearing: Hearing) -> Letter | str:
        try:
            return callback.letter_of(check, hearing)
        except ValueError as error:
            return str(error)

    # -- what all share

    def _unheard(self, outcome: Outcome) -> list[str]:
        """The checks that have not spoken on all the evidence. A type without checks still has its claims passed on."""
        if outcome.state != "claimed" or outcome.terms is None:
            return []
        spoke = {verifier for verifier, _, seen in outcome.verdicts if seen >= len(outcome.evidence)}
        return [check for check in outcome.terms.checks or ("evidence",) if check not in spoke]

    def _hearing(self, outcome: Outcome) -> Hearing | None:
        type = self.registry.types.get(outcome.type)
        if type is None:
            return None  # it was taken off the list: nobody can say what counts
        evidence, lost = gathered(self.desk, outcome)
        return Hearing(outcome, type, evidence, account_of(self.books, outcome.run), lost)

    def _check(self, outcome: Outcome, id: str) -> Check | None:
        type = self.registry.types.get(outcome.type)
        return next((check for check in type.document.checks if check.id == id), None) if type else None

    def _again(self, outcome: Outcome, check: Check | None, tries: int) -> bool:
        """True where a check that did not come to a verdict is to be asked once more, now."""
        if check is None or tries >= check.tries:
            return False
        return callback.next_try(tries, self._last_try(outcome, check.id)) <= self.desk.clock.now_ns()

    def _tried(self, outcome: Outcome, check: str) -> int:
        return sum(1 for _ in self._tries(outcome, check))

    def _last_try(self, outcome: Outcome, check: str) -> int:
        return max(self._tries(outcome, check), default=0)

    def _tries(self, outcome: Outcome, check: str) -> Iterable[int]:
        """When a check was asked about the evidence there is and gave no verdict."""
        for entry in self.registry.events(outcome.key):
            said = entry.event.data
            unsure = entry.event.type == "verify_unsure" and not entry.ignored
            if unsure and said.get("verifier") == check and said.get("pieces") == len(outcome.evidence):
                yield entry.event.at

    def _heard(self, before: Outcome | None, outcome: Outcome, event: OutcomeEvent | None = None) -> None:
        if outcome.state == "claimed":
            self._open[outcome.key] = None
        else:
            self._open.pop(outcome.key, None)
