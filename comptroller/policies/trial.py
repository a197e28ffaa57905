"""The tests inside policy files: made-up calls, and whether the book says of them what their authors expect."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from comptroller.core.call import Identity
from comptroller.core.intent import Wish, acts_in, asked_to_follow
from comptroller.core.money import parse_money
from comptroller.core.origin import Origin
from comptroller.core.verdict import Case, Decision, Stage
from comptroller.policies.book import Book, Policy
from comptroller.policies.document import Example, ExampleCall
from comptroller.policies.globs import Matches
from comptroller.policies.judging import KNOWN, left_open, matched
from comptroller.policies.recollection import decided

_SET = re.compile(r"\[(!?[^\]]+)\]")


@dataclass(frozen=True, slots=True)
class TestOutcome:
    """What came of one test; `why` says how it failed."""

    __test__ = False  # pytest is not to collect it

    policy: str
    place: str
    expected: str
    got: str
    rule: str
    passed: bool
    why: str = ""
    reached: tuple[str, ...] = ()  # rules that matched, shadows included


@dataclass(frozen=True, slots=True)
class Unreached:
    """A rule that no test makes match: nobody has seen it do anything."""

    rule: str
    place: str


@dataclass(frozen=True, slots=True)
class Supposed:
    """The data flow a test supposes: what it does not say is the model's own, in a run that read nothing untrusted."""

    known: Mapping[str, Any]
    said: str = ""

    @property
    def tainted(self) -> bool:
        """As the test says."""
        return bool(self.known.get("run.tainted", False))

    @property
    def labels(self) -> list[str]:
        """As the test says."""
        return list(self.known.get("run.labels", ["untrusted" if self.tainted else "trusted", "public"]))

    @property
    def handed_over(self) -> bool:
        """As the user's words say."""
        return asked_to_follow(self.said)

    def called_for(self, wish: Wish) -> bool | None:
        """As the user's words say; where they are left out, that is not what is tested."""
        if not self.said:
            return True
        said = re.findall(r"[^\W_]+", self.said.lower())
        return wish.among(set(acts_in(said)))

    def of(self, name: str) -> Origin | None:
        """As the test says; of an address in one piece."""
        label = self.known.get(f"provenance.args.{name}", "model")
        sources = tuple(self.known.get(f"sources.args.{name}", [label]))
        return Origin(label, sources, whole=label != "model", reach=label if label == "untrusted" else None)


def run_tests(book: Book) -> list[TestOutcome]:
    """Run the tests of every policy of a book against the whole book; those of our packs against their pack alone.

    A pack cannot know what it is combined with, and another one may well be stricter.
    """
    return [
        _run(Book([policy]) if policy.file.path.startswith("pack:") else book, policy, number, example)
        for policy in book.policies
        for number, example in enumerate(policy.document.tests)
    ]


def unreached(book: Book, outcomes: Sequence[TestOutcome]) -> list[Unreached]:
    """The rules of a book that none of its tests made match, in the order they are written."""
    reached = {rule for outcome in outcomes for rule in outcome.reached}
    rules = (rule for policy in book.policies for rule in policy.rules)
    return [Unreached(rule.id, rule.said.place) for rule in rules if rule.id not in reached]


def _run(book: Book, policy: Policy, number: int, example: Example) -> TestOutcome:
    place = policy.place("tests", number)
    try:
        case = case_of(_presumed(policy, example.call))
    except ValueError as error:
        return TestOutcome(policy.name, place, example.expect, "error", "", False, str(error))
    decision = decided(book, case)
    rule = decision.verdict.rule if decision.verdict else ""
    why = _unjudged(decision) or _why(example, decision, rule)
    said = (decision.verdict, *decision.notes, *decision.shadows)
    reached = tuple(verdict.rule for verdict in said if verdict is not None and matched(verdict))
    return TestOutcome(policy.name, place, example.expect, decision.action, rule, not why, why, reached)


def _presumed(policy: Policy, call: ExampleCall) -> ExampleCall:
    """The call with a workflow and an agent that the file applies to, where the test does not say whose it is."""
    applies, said = policy.document.applies, call.model_fields_set
    given = {}
    if "workflow" not in said:
        given["workflow"] = _one_of(applies.workflows, policy.workflows)
    if "agent" not in said:
        given["agent"] = _one_of(applies.agents, policy.agents)
    return call.model_copy(update=given)


def _one_of(globs: Sequence[str], matches: Matches) -> str:
    """No name where none is needed, else one that the globs match; the first of them where that cannot be told."""
    names = [_SET.sub(_member, glob).replace("?", "x").replace("*", "") for glob in globs]
    return next((name for name in ("", *names) if matches(name)), names[0])


def _member(found: re.Match[str]) -> str:
    """A character of `[abc]`, or one that `[!abc]` leaves."""
    inside = found[1]
    return next((c for c in "xyz0-" if c not in inside), "_") if inside[0] == "!" else inside[0]


def _unjudged(decision: Decision) -> str:
    """A test asks no model, so it has to say what its judges would."""
    rules = [question.rule for question in left_open(decision)]
    if not rules:
        return ""
    return f"`{rules[0]}` is decided by judges, whom no test asks. Write `known: {{{KNOWN}{rules[0]}: yes}}`, or no"


def _why(example: Example, decision: Decision, rule: str) -> str:
    because = f" ({decision.verdict.because})" if decision.verdict else ""
    if decision.action != example.expect:
        said = f" by `{rule}`" if rule else ""
        return f"expected {example.expect}, got {decision.action}{said}{because}"
    if example.by and example.by != rule:
        return f"expected it by `{example.by}`, got it by {f'`{rule}`' if rule else 'no rule'}{because}"
    return ""


def case_of(call: ExampleCall) -> Case:
    """The case a made-up call stands for; raises ValueError where its money or time cannot be read."""
    stage = _stage(call)
    worst, spent = parse_money(call.worst_cost).nanos, parse_money(call.spent).nanos
    return Case(
        stage=stage,
        identity=_identity(call),
        kind="tool" if stage in ("tool", "result") else "agent" if stage == "agent" else "model",
        tool=call.tool,
        args=call.args if call.args is not None or not call.tool else {},
        model=call.model,
        stream=call.stream,
        max_tokens=call.max_tokens,
        input_tokens=call.input_tokens,
        worst_cost_nanos=worst,
        text=lambda: call.text,
        reply_text=lambda: call.reply,
        spent_nanos=lambda: spent,
        run_calls=lambda: call.calls,
        now_ns=_time(call.now),
        known=call.known,
        origins=Supposed(call.known, call.said) if call.said or call.known else None,
    )


def _stage(call: ExampleCall) -> Stage:
    if call.on is not None:
        return call.on
    return "tool" if call.tool else "reply" if call.reply else "model"


def _identity(call: ExampleCall) -> Identity:
    return Identity(
        customer=call.customer,
        user=call.user,
        workflow=call.workflow,
        run="test",
        agent=call.agent,
        key=call.key,
        scopes=frozenset(call.scopes) if call.scopes is not None else None,
        depth=call.depth,
    )


def _time(text: str) -> int:
    if not text:
        return 0
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1_000_000_000
