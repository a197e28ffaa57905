"""Why a run failed: its first bad call, what followed from it, what it did over and over, and what that cost."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from comptroller.tracing.masks import normalise
from comptroller.tracing.remedies import GONE, PROGRAM, remedy_for
from comptroller.tracing.repeats import Loop, Repeat, loops_of, repeats_of
from comptroller.tracing.step import FAILED, REFUSED, TROUBLE, Costs, Handover, Run, Step, costs_of, homes_of, path_of

_TYPE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_WORD = re.compile(r"[A-Za-z]{3}")
_RAISED = {"Denied": "denied", "OverBudget": "over_budget", "NotApproved": "pending", "RateLimited": "rate_limited"}
_STATUSES = {  # what the SDKs raise for a provider's answer
    "BadRequestError": 400, "AuthenticationError": 401, "PermissionDeniedError": 403, "NotFoundError": 404,
    "ConflictError": 409, "UnprocessableEntityError": 422, "RateLimitError": 429,
}  # fmt: skip
_ANY_STATUS = frozenset(("HTTPStatusError", "APIStatusError", "APIError", "ClientError", "UpstreamError"))
_WORTH = 8  # letters of an error that, found again in the run's own, tell that it is the same


@dataclass(frozen=True, slots=True)
class Recovered:
    """A call that failed, and the identical one after it that did not."""

    failed: Step
    by: Step


@dataclass(frozen=True, slots=True)
class Lost:
    """What a run spent in vain.

    `total` is all it spent where it ended without success (in error or abandoned): nothing came of it. Of a run that
    ended well, or is still under way, it is what its failed calls cost. `failed` and `after` tell of which parts that
    is: what the failed calls cost themselves, and what the calls cost that began once the first bad call had ended.
    The two may overlap, and neither is more than the run's own cost. Inner runs are counted in their own right.
    """

    total: Costs
    failed: Costs
    after: Costs


@dataclass(frozen=True, slots=True)
class Findings:
    """What there is to say of a run; `reason` is empty where nothing went wrong in the end."""

    run: Run
    cause: Step | None  # the first bad call; None where no call was the cause
    path: tuple[Step, ...]  # what it happened in, the outermost first, and itself
    number: int  # of the cause among the run's calls, from 1; 0 where there is none
    reason: str
    place: str
    remedy: str
    others: int  # further calls that failed or were refused and were not made good
    recovered: tuple[Recovered, ...]
    repeats: tuple[Repeat, ...]
    loops: tuple[Loop, ...]
    lost: Lost
    handovers: tuple[Handover, ...] = ()  # in the order in which they happened


def find(run: Run, steps: Sequence[Step], handovers: Sequence[Handover] = ()) -> Findings:
    """Look into a run. `steps` are its agents and calls in the order in which they began, inner runs among them."""
    case = _Case(run, steps, handovers)
    cause = case.first_bad()
    path = path_of(cause, case.known, case.homes) if cause else ()
    reason, place, remedy = _words(run, cause, path)
    bad = [step for step in case.bad if step.kind != "agent" and step not in path]
    return Findings(
        run,
        cause,
        path,
        case.number(cause),
        reason,
        place,
        remedy,
        others=len(bad) - sum(1 for one in case.recovered if one.failed.kind != "agent"),
        recovered=tuple(case.recovered),
        repeats=repeats_of(case.calls, case.homes),
        loops=loops_of(case.calls, case.homes),
        lost=_lost(run, case.calls, cause),
        handovers=tuple(handovers),
    )


class _Case:
    """A run laid out for looking into it."""

    def __init__(self, run: Run, steps: Sequence[Step], handovers: Sequence[Handover] = ()) -> None:
        self.run, self.steps = run, steps
        self.known = {step.id: step for step in steps}
        self.homes = homes_of(steps)
        self.calls = [step for step in steps if step.kind not in ("agent", "run")]
        self.bad = [step for step in steps if step.status in TROUBLE]
        self.recovered = _recovered(steps, self.homes) if self.bad else []
        self._good = {one.failed.id for one in self.recovered} | {one.at for one in handovers if self._taken(one)}
        self._kids: dict[str, list[Step]] = {}
        for step in steps:
            # An agent nobody closed may be what failed: what is in it counts where it stands.
            if step.status in TROUBLE or (step.status == "open" and step.kind == "agent"):
                self._kids.setdefault(self.homes[step.id], []).append(step)

    def _taken(self, one: Handover) -> bool:
        """Whether somebody did take over: the end of the run follows from what came of that."""
        gave_up = self.known.get(one.at)
        return gave_up is not None and any(
            step.agent == one.to and step.started >= gave_up.started and step is not gave_up for step in self.steps
        )

    def number(self, cause: Step | None) -> int:
        return next((n for n, step in enumerate(self.calls, 1) if step is cause), 0)

    def first_bad(self) -> Step | None:
        """The earliest failure that the end of the run follows from."""
        if self.run.status in ("error", "abandoned"):
            return self._descend() or self._last_words() or self._under_way()
        return self._last_words() if self.run.status == "ok" else None

    def _descend(self) -> Step | None:
        """From the run down to the innermost failure, at each level by what the failure above says was raised."""
        found, error, seen = None, self.run.error, {""}
        home = ""
        while options := self._options(home):
            found = min(options, key=lambda step: (self._rank(step, error), step.ended or step.started))
            if found.id in seen:
                break
            seen.add(found.id)
            home, error = found.id, found.error or error
        return found

    def _options(self, home: str) -> list[Step]:
        """What failed directly in a place and was not made good."""
        made, ahead, seen = [], [home], {home}
        while ahead:
            for step in self._kids.get(ahead.pop(), ()):
                if step.status == "open" and step.id not in seen:
                    seen.add(step.id)
                    ahead.append(step.id)
                elif step.status != "open" and step.id not in self._good:
                    made.append(step)
        return made

    def _rank(self, step: Step, error: str) -> int:
        if step.kind == "agent":
            # Whatever left an agent as an error went through it, so that nobody inside had handled it.
            inside = self._options(step.id) if error else []
            return 0 if any(one.kind == "agent" or _fits(error, one) for one in inside) else 1
        if error and _fits(error, step):
            return 0
        # An agent reads a refusal and goes on; who is cancelled mostly is so because something else failed.
        return 4 if step.status == "cancelled" else 3 if step.status in REFUSED else 2

    def _last_words(self) -> Step | None:
        """The first of the failures a run ended on; None where it ended on a call that went well."""
        found = None
        ended = [step for step in self.calls if step.ended is not None]
        for step in sorted(ended, key=lambda step: (step.ended, step.started), reverse=True):
            if step.status not in TROUBLE:
                break
            found = found if step.id in self._good else step
        return found

    def _under_way(self) -> Step | None:
        """What an abandoned run was waiting for."""
        waiting = [step for step in self.calls if step.status == "open"] if self.run.status == "abandoned" else []
        return waiting[-1] if waiting else None


def _recovered(steps: Iterable[Step], homes: dict[str, str]) -> list[Recovered]:
    """Failures that an identical call after them made good: same place, same name, same texts."""
    waiting: dict[tuple[object, ...], list[Step]] = {}
    made: list[Recovered] = []
    for step in steps:
        key = (homes[step.id], step.kind, step.name, step.asked)
        if step.status in TROUBLE:
            waiting.setdefault(key, []).append(step)
        elif step.status == "ok" and key in waiting and (step.kind == "agent" or _is_retry(step)):
            made += [Recovered(failed, step) for failed in waiting.pop(key)]
    return made


def _is_retry(step: Step) -> bool:
    """Where no digest was kept, the client's word for a retry must do: its name alone says too little."""
    return step.asked is not None or step.attempt > 1


def _fits(error: str, step: Step) -> bool:
    """Whether this failure is what `error` tells was raised: `RateLimitError in app.py:12` of a 429."""
    if len(step.error) >= _WORTH and step.error in error:
        return True
    found = _TYPE.match(error)
    raised = found[0] if found else ""
    for name, status in _RAISED.items():
        if name in raised:
            return step.status == status
    if step.kind != "model" or step.status not in FAILED:
        told = _TYPE.match(step.error)
        return bool(raised and told and told[0] == raised)
    if step.upstream_status is None or step.upstream_status < 400:
        return raised.startswith("API") or (bool(raised) and step.error.startswith(raised))
    if raised in _STATUSES:
        return _STATUSES[raised] == step.upstream_status
    if raised in ("InternalServerError", "ServerError"):
        return step.upstream_status >= 500
    return raised in _ANY_STATUS


def message_of(step: Step) -> str:
    """What a step that went wrong has to say."""
    return step.error or _said_of(step) or step.status.replace("_", " ")


def _said_of(step: Step) -> str:
    """What was said of its end; of an agent that was let in it is why it began."""
    return step.because if step.kind != "agent" or step.status in REFUSED else ""


def _words(run: Run, cause: Step | None, path: Sequence[Step]) -> tuple[str, str, str]:
    if cause is not None:
        if cause.status == "open":
            return "the process ended while this call was under way", place_of(path), GONE
        return _reason(run, cause, path), place_of(path), remedy_for(cause)
    if run.status == "error":
        return run.error or "the program ended it in error", "", PROGRAM
    return ("its process ended without closing it", "", GONE) if run.status == "abandoned" else ("", "", "")


def _reason(run: Run, cause: Step, path: Sequence[Step]) -> str:
    if cause.kind == "agent" and not (cause.error or _said_of(cause)):
        return run.error or "it ended in error by itself"
    said = message_of(cause)
    # A bare status code says too little: what it happened in may have read the answer.
    above = path[-2].error if len(path) > 1 and path[-2].status in FAILED else ""
    return above if above and said in above and not _WORD.search(said) else said


def place_of(path: Iterable[Step]) -> str:
    """Where in the tree: `agent desk > tool issue_refund > model gpt-4o`."""
    return " > ".join(f"{step.kind} {step.name or '?'}" for step in path)


def _lost(run: Run, calls: Sequence[Step], cause: Step | None) -> Lost:
    failed = costs_of(step for step in calls if step.status in FAILED)
    in_vain = run.status in ("error", "abandoned")
    return Lost(costs_of(calls) if in_vain else failed, failed, costs_of(_after(calls, cause)))


def _after(calls: Iterable[Step], cause: Step | None) -> Iterable[Step]:
    since: datetime | None = cause.ended if cause else None
    return (step for step in calls if since is not None and step is not cause and step.started >= since)


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason why runs failed, as often as it did."""

    words: str  # normalised: figures, ids and quoted texts are masked
    workflow: str
    place: str
    remedy: str
    runs: tuple[str, ...]  # in the order they were told
    lost: Costs


def causes(findings: Iterable[Findings]) -> tuple[Cause, ...]:
    """The reasons of several runs, one for each message and place; the most frequent first, then the dearest."""
    groups: dict[tuple[str, str, str], list[Findings]] = {}
    for found in findings:
        if found.reason:
            groups.setdefault((normalise(found.reason), found.run.workflow, found.place), []).append(found)
    made = [_cause(words, workflow, place, group) for (words, workflow, place), group in groups.items()]
    return tuple(sorted(made, key=lambda one: (-len(one.runs), -sum(one.lost.values()), one.words, one.place)))


def _cause(words: str, workflow: str, place: str, group: Sequence[Findings]) -> Cause:
    lost: Costs = {}
    for found in group:
        for currency, nanos in found.lost.total.items():
            lost[currency] = lost.get(currency, 0) + nanos
    return Cause(words, workflow, place, group[0].remedy, tuple(found.run.id for found in group), lost)
