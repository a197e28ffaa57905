"""Judged rules: what files say of judges, checked over all files, and what comes of a judge's answer."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from comptroller.core.judges import USUAL, VIEWS, Judge, Opinion, Question, Reach, Result, Unasked
from comptroller.core.mistakes import did_you_mean
from comptroller.core.verdict import STRICTNESS, Action, Cap, Case, Decision, Verdict
from comptroller.policies.amounts import read_cap, read_share
from comptroller.policies.globs import any_of
from comptroller.policies.people import ask_for

if TYPE_CHECKING:  # a process without policies has no use for pydantic's frames, 30 ms of an import
    from comptroller.policies.compile import Draft
    from comptroller.policies.document import Rule as Written
    from comptroller.policies.judge_frame import Judge as Listed
    from comptroller.policies.judge_frame import Judged

Path = tuple[str | int, ...]
KNOWN = "judge."  # before a rule's id: what is known of its judges' answer without asking them
NOT_ASKED = "its judges were not asked"
_TEXTS = {
    "split": "Its judges came to no clear result.",
    "slow": "Its judges did not answer in time.",
    "broken": "Its judges could not be asked, or answered with rubbish.",
}
# Some readers of YAML take a bare yes or no for true or false.
_WORDS: Mapping[object, Result] = {
    True: "yes", False: "no", "yes": "yes", "no": "no", "unsure": "split", "split": "split", "slow": "slow",
    "broken": "broken",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bench:
    """The judges of all files, by their names, and where each is listed."""

    judges: Mapping[str, Judge]
    places: Mapping[str, str]


# -- what is written


def bench_of(drafts: "Sequence[Draft]") -> Bench:
    """All that are listed; of two with one name, which is a mistake, the first."""
    judges: dict[str, Judge] = {}
    places: dict[str, str] = {}
    for draft in drafts:
        for name, listed in draft.document.judges.items():
            place = f"{draft.file.path}:{draft.lines.find(('judges', name))}"
            judges.setdefault(name, _judge(name, listed, place))
            places.setdefault(name, place)
    return Bench(judges, places)


def question_of(rule: "Written", said: Verdict, bench: Bench) -> Question | None:
    """What a rule asks; None where it asks nothing, or has a mistake."""
    judged = rule.judge
    names = _named(judged, bench) if judged is not None else []
    if judged is None or not names or rule.on not in VIEWS or not bench.judges.keys() >= {*names}:
        return None
    number = judged.votes.isdigit()
    share = read_share(judged.share) if judged.share is not None else 0
    otherwise = {how: _action(rule, word) for how, word in _fallbacks(rule, judged).items()}
    return Question(
        rule=rule.id,
        says=tuple(judged.says or judged.constitution or ()),
        judges=tuple(bench.judges[name] for name in names),
        sees=tuple(judged.sees or USUAL[rule.on]),
        said=said,
        otherwise=otherwise,
        principles=judged.constitution is not None,
        manner="number" if number else judged.votes,  # type: ignore[arg-type]
        need=int(judged.votes) if number else share,
        shadow=rule.mode == "shadow",
        ask=ask_for(rule.ask) if "ask" in otherwise.values() else None,
    )


def put_to(judged: "Judged") -> str:
    """What is asked, in a line."""
    what = " / ".join(judged.says or judged.constitution or ())
    who = f" by {', '.join(judged.by)}" if judged.by else ""
    counted = f" ({judged.votes})" if len(judged.by) > 1 else ""
    return f"judged{who}{counted}: {'one is broken of: ' if judged.constitution else ''}{what}"


def asks_somebody(rule: "Written") -> bool:
    """Whether anything that comes of its judges has a person asked."""
    judged = rule.judge
    return judged is not None and "ask" in (_action(rule, word) for word in _fallbacks(rule, judged).values())


def _judge(name: str, listed: "Listed", place: str) -> Judge:
    cap = None
    if listed.budget is not None:
        unit, limit = read_cap(listed.budget)
        cap = Cap("judge", name, listed.every or "", listed.zone, unit, limit, "deny", place)
    return Judge(
        name, listed.model, listed.upstream or "", listed.time, listed.tries, listed.cache, listed.max_tokens,
        listed.weight, cap,
    )  # fmt: skip


def _named(judged: "Judged", bench: Bench) -> list[str]:
    """Who judges: the only one there is, where the rule does not say."""
    return judged.by or (list(bench.judges) if len(bench.judges) == 1 else [])


def _fallbacks(rule: "Written", judged: "Judged") -> dict[str, str]:
    """What happens without a clear yes or no. What is not said is closed, and no stricter than the rule itself."""
    strict = rule.then if rule.then != "deny" else "ask"
    usual = {"split": strict, "slow": rule.then, "broken": rule.then}
    return {how: getattr(judged, how) or word for how, word in usual.items()}


def _action(rule: "Written", word: str) -> Action:
    said: Any = rule.then if word == "then" else word
    return said  # type: ignore[no-any-return]


# -- what can be wrong with it


def mistakes_in(
    drafts: "Sequence[Draft]", bench: Bench, reach: Reach | None, currencies: frozenset[str] | None
) -> Iterator[tuple["Draft", Path, str]]:
    """Where each mistake stands, and what to do about it."""
    for draft in drafts:
        for name in draft.document.judges:
            for path, text in _wrong_judge(draft, name, drafts, bench, reach, currencies):
                yield draft, ("judges", name, *path), text
        yield from ((draft, path, text) for path, text in _wrong_tests(draft, drafts))
        for number, rule in enumerate(draft.document.rules):
            if rule.judge is not None:
                for path, text in _wrong_rule(rule, rule.judge, bench):
                    yield draft, ("rules", number, "judge", *path), f"Rule `{rule.id}`: {text}"


def _wrong_tests(draft: "Draft", drafts: "Sequence[Draft]") -> Iterator[tuple[Path, str]]:
    """What tests suppose of judges: of a rule that has some, and a word they could have said."""
    rules = {rule.id for other in drafts for rule in other.document.rules if rule.judge is not None}
    for number, example in enumerate(draft.document.tests):
        for name, word in example.call.known.items():
            path = ("tests", number, "call", "known", name)
            if name.startswith(KNOWN) and (rule := name.removeprefix(KNOWN)) not in rules:
                yield path, f"There is no judged rule `{rule}`. {did_you_mean(rule, rules)}"
            elif name.startswith(KNOWN) and _result(word) is None:
                yield path, f"Judges cannot say {word!r}. Write `yes`, `no`, `unsure`, `slow` or `broken`."


def _wrong_judge(
    draft: "Draft",
    name: str,
    drafts: "Sequence[Draft]",
    bench: Bench,
    reach: Reach | None,
    currencies: frozenset[str] | None,
) -> Iterator[tuple[Path, str]]:
    listed = draft.document.judges[name]
    place = f"{draft.file.path}:{draft.lines.find(('judges', name))}"
    if bench.places[name] != place:
        yield (), f"There is a judge `{name}` already, at {bench.places[name]}. Give this one another name."
    unit = read_cap(listed.budget)[0] if listed.budget is not None else ""
    if unit and currencies is not None and unit not in currencies:
        yield (
            ("budget",),
            f"There is no rate for {unit}, so this cannot be counted. Add one under `fx` in the settings.",
        )
    if "weight" in listed.model_fields_set and not _weighed(name, drafts, bench):
        yield ("weight",), f"No rule weighs what `{name}` says. Write `votes: weighted` in one, or remove `weight`."
    if reach is not None:
        yield from _out_of_reach(listed, reach)


def _weighed(name: str, drafts: "Sequence[Draft]", bench: Bench) -> bool:
    judged = [rule.judge for draft in drafts for rule in draft.document.rules if rule.judge is not None]
    return any(one.votes == "weighted" and name in _named(one, bench) for one in judged)


def _out_of_reach(listed: "Listed", reach: Reach) -> Iterator[tuple[Path, str]]:
    if not reach.client:
        yield (), "Judges are asked with the package openai, which is not installed. pip install 'comptroller[judges]'."
    known = {name: (format, models) for name, format, models in reach.providers}
    speaks = [name for name, (format, _) in known.items() if format == "openai"]
    if listed.upstream is None:
        if not any(any_of(known[name][1])(listed.model) for name in speaks):
            text = f"No upstream of the format openai takes the model `{listed.model}`. Add one in comptroller.yaml."
            yield ("model",), text
    elif listed.upstream not in known:
        yield ("upstream",), f"There is no upstream `{listed.upstream}`. {did_you_mean(listed.upstream, known)}"
    elif listed.upstream not in speaks:
        text = f"`{listed.upstream}` does not speak the format openai, and judges do. Name another upstream."
        yield ("upstream",), text
    elif not any_of(known[listed.upstream][1])(listed.model):
        text = f"`{listed.upstream}` does not take the model `{listed.model}`. Add it to its `models`."
        yield ("model",), text


def _wrong_rule(rule: "Written", judged: "Judged", bench: Bench) -> Iterator[tuple[Path, str]]:
    if rule.on not in VIEWS:
        yield (), f"on stage {rule.on} there is no text to judge. Remove `judge`, or look at a reply, tool or result."
        return
    for number, view in enumerate(judged.sees or ()):
        if view not in VIEWS[rule.on]:
            offer = ", ".join(f"`{name}`" for name in VIEWS[rule.on])
            yield ("sees", number), f"on stage {rule.on} there is no `{view}` to see. Use some of {offer}."
    for number, name in enumerate(judged.by):
        if name not in bench.judges:
            yield ("by", number), f"there is no judge `{name}`. {did_you_mean(name, bench.judges)}"
    if not bench.judges:
        yield (), "there is no judge. Add one: `judges: {careful: {model: gpt-4o}}`."
    elif not judged.by and len(bench.judges) > 1:
        yield (), f"there are several judges. Say which: `by: [{next(iter(bench.judges))}]`."
    count = len(_named(judged, bench))
    if count and judged.votes.isdigit() and int(judged.votes) > count:
        yield ("votes",), f"{judged.votes} votes can never be had of {count}. Write at most {count}."


# -- what comes of it


def tried(questions: "Sequence[tuple[Any, Question]]", case: Case, scopes: Any, rest: Decision) -> Decision:
    """A decision with the judged rules whose conditions hold: as what is known says, else as undecided."""
    said: list[tuple[Question, Verdict]] = []
    unasked: list[tuple[Question, Verdict]] = []
    for rule, question in questions:
        matched = rule.judge(case, scopes)
        if matched is None:
            continue
        known = case.known.get(KNOWN + question.rule)
        if matched.error:
            said.append((question, matched))
        elif known is not None:
            said.append((question, verdict_of(question, _result(known) or "broken")))
        else:
            unasked.append((question, unasked_of(question)))
    rest = joined(rest, said)
    if not unasked:
        return rest
    return replace(joined(rest, unasked), unasked=Unasked(rest, tuple(question for question, _ in unasked)))


def verdict_of(question: Question, result: Result, opinions: Sequence[Opinion] = ()) -> Verdict:
    """What a rule says once its judges have answered; a no is said too, so that it is on record who said it."""
    judged = {"result": result, "votes": [opinion.row() for opinion in opinions]} if opinions else {"result": result}
    said = question.said
    if result == "yes":
        which = sorted({number for opinion in opinions if opinion.word == "yes" for number in opinion.which})
        named = " ".join(question.says[number - 1] for number in which)
        broken = f"{said.because} ({'Broken' if question.principles else 'True'}: {named})" if named else said.because
        return replace(said, because=broken, judged=judged)
    if result == "no":
        return replace(said, action="allow", because=f"Its judges say that `{question.rule}` does not apply.", ask=None,
                       judged=judged)  # fmt: skip
    return _undecided(question, result, f"{_TEXTS[result]} {said.because}", judged)


def unasked_of(question: Question) -> Verdict:
    """What a rule says whose judges are not asked: as if they had come to no clear result."""
    because = f"`{question.rule}` is decided by judges, and {NOT_ASKED}. {question.said.because}"
    return _undecided(question, "split", because, {"result": "unasked"})


def _undecided(question: Question, result: str, because: str, judged: Mapping[str, object]) -> Verdict:
    action = question.otherwise[result]
    ask = question.ask if action == "ask" else None
    return replace(question.said, action=action, because=because, ask=ask, judged=judged)


def matched(verdict: Verdict) -> bool:
    """Whether a rule says it because what it looks for is there."""
    judged = verdict.judged or {}
    return not verdict.error and judged.get("result", "yes") == "yes"


def left_open(decision: Decision) -> list[Question]:
    """What judges would have to be asked before anybody can tell what is decided."""
    unasked = decision.unasked
    return [] if unasked is None else [one for one in unasked.questions if matters(one, unasked.rest)]


def matters(question: Question, rest: Decision) -> bool:
    """Whether any answer could still change what happens: money is spent on no other."""
    if rest.action == "deny":
        return False
    if question.shadow:
        return True
    strictest = max(STRICTNESS[action] for action in (question.said.action, *question.otherwise.values()))
    left = max((STRICTNESS[verdict.action] for verdict in _enforced(rest) if verdict.action != "ask"), default=0)
    return strictest >= STRICTNESS["ask"] or strictest > left


def joined(decision: Decision, said: Sequence[tuple[Question, Verdict]]) -> Decision:
    """A decision with more that is said: the strictest wins, and of equals who was first."""
    if not said:
        return decision
    enforced = [*_enforced(decision), *(verdict for question, verdict in said if not question.shadow)]
    shadows = (*decision.shadows, *(verdict for question, verdict in said if question.shadow))
    if not enforced:
        return Decision(shadows=shadows)
    winner = max(enforced, key=lambda verdict: STRICTNESS[verdict.action])
    return Decision(winner.action, winner, tuple(each for each in enforced if each is not winner), shadows)


def _enforced(decision: Decision) -> list[Verdict]:
    return [*([decision.verdict] if decision.verdict is not None else []), *decision.notes]


def _result(known: object) -> Result | None:
    """What a test supposes; None where no judge could say so."""
    return _WORDS.get(known) if isinstance(known, bool | str) else None
