"""Why a call is decided as it is: which rules matched and what they saw, and the least that would let it pass."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product

from comptroller.core.judges import Question
from comptroller.core.origin import LABELS
from comptroller.core.verdict import STRICTNESS, Action, Case, Decision, Verdict
from comptroller.policies.altered import CALLED_FOR, altered
from comptroller.policies.book import Book
from comptroller.policies.judging import KNOWN, matched, tried
from comptroller.policies.plan import Plan
from comptroller.policies.profile import OURS, Judge
from comptroller.policies.recollection import decided, of_memory
from comptroller.policies.rule import Rule, gather, spoken
from comptroller.policies.tree import read_tree
from comptroller.policies.values import ABSENT
from comptroller.policies.ways import MOST, Change, Way, some, told_name, ways_to

MOST_TRIED = 400  # changed calls that are decided on
MOST_TOLD = 4
_STOPS = STRICTNESS["ask"]


@dataclass(frozen=True, slots=True)
class Reason:
    """What one rule, table or profile said of a call, and what it saw."""

    rule: str
    policy: str
    place: str
    says: str  # matched | not matched | could not be decided; of judged rules also judged | not judged
    action: Action
    shadow: bool
    when: str
    saw: tuple[tuple[str, object], ...]  # the inputs of its condition
    missing: tuple[tuple[str, str], ...]  # those that are not there, and why
    because: str


@dataclass(frozen=True, slots=True)
class Passing:
    """Something that would let a call pass: what would have to be otherwise, and who would have to approve."""

    changes: tuple[str, ...]
    of: tuple[str, ...] = ()
    quorum: int = 0  # people who must approve; 0 is nobody

    def __str__(self) -> str:
        asked = f"{self.quorum} of {', '.join(self.of)} approve" if self.quorum > 1 and self.of else ""
        asked = asked or (f"{self.quorum} people approve" if self.quorum > 1 else "")
        asked = asked or (f"{' or '.join(self.of) or 'a person'} approves" if self.quorum else "")
        return " and ".join([*self.changes, *([asked] if asked else [])])


def reasons(book: Book, case: Case) -> list[Reason]:
    """Every rule that looks at such a call, the matching ones first, then in the order they are written."""
    plan = book.plan(case)
    found = [_always(rule, verdict) for rule, verdict in plan.always]
    found += [_looked(rule, case, plan) for group in plan.groups for rule in group.rules]
    found += [_judged(rule, question, case, plan) for rule, question in plan.judged]
    held = case.identity.scopes
    found += [_always(None, verdict) for scope, verdict in plan.needs if held is not None and scope not in held]
    judged = ((judge, judge.judge(case)) for judge in plan.judges)
    found += [_always(judge, verdict) for judge, verdict in judged if verdict is not None]
    remembered = of_memory(book, case)
    found += [_always(None, remembered)] if remembered is not None else []
    return sorted(found, key=lambda reason: (reason.says == "not matched", -STRICTNESS[reason.action]))


def passing(book: Book, case: Case) -> list[Passing]:
    """The fewest changes of a call after which it would pass, each tried by deciding on the changed call."""
    decision = decided(book, case)
    if STRICTNESS[decision.action] < _STOPS:
        return []
    found: list[tuple[frozenset[Change], Passing]] = []
    for way in _tries(book, case, decision):
        if any(known <= set(way) and not passed.quorum for known, passed in found):
            continue
        passed = _try(book, case, way)
        if passed is not None and not (passed.quorum and any(known <= set(way) for known, _ in found)):
            found.append((frozenset(way), passed))
    free = [passed for _, passed in found if not passed.quorum]
    asking = [passed for _, passed in found if passed.quorum]
    return [*free[:MOST_TOLD], *asking[:MOST_TOLD]][: MOST_TOLD + 1]


def in_words(ways: Sequence[Passing]) -> str:
    """`Allowed if amount <= 100, or if finance approves.`; nothing where no way is known."""
    return f"Allowed if {', or if '.join(map(str, ways))}." if ways else ""


def _try(book: Book, case: Case, way: Way) -> Passing | None:
    """What comes of a changed call; None where it is still refused."""
    changed = altered(case, way)
    if changed is None:
        return None
    decision = decided(book, changed)
    told = tuple(dict.fromkeys(change.told for change in way))
    if STRICTNESS[decision.action] < _STOPS:
        return Passing(told)
    if decision.action == "ask":
        asked = [verdict.ask for verdict in _stopping(decision) if verdict.ask is not None]
        of = tuple(dict.fromkeys(name for ask in asked for name in ask.of))
        return Passing(told, of, max((ask.quorum for ask in asked), default=1))
    return None


def _tries(book: Book, case: Case, decision: Decision) -> Iterator[Way]:
    """Sets of changes worth a try, the smallest first: of all that stops the call, and of what denies it alone."""
    plan = book.plan(case)
    rules = {rule.id: rule for group in plan.groups for rule in group.rules}
    rules |= {rule.id: rule for rule, _ in plan.judged}
    stopping = _stopping(decision)
    denying = [verdict for verdict in stopping if verdict.action == "deny"]
    ways = [*_ways(rules, plan, case, stopping), *_ways(rules, plan, case, denying)]
    ways += [()] if decision.action == "ask" else []
    yield from islice(sorted(dict.fromkeys(ways), key=len), MOST_TRIED)


def _ways(rules: dict[str, Rule], plan: Plan, case: Case, stopping: Sequence[Verdict]) -> Iterator[Way]:
    if not stopping:
        return
    each = [list(_ways_past(rules, plan, case, verdict)) for verdict in stopping]
    for chosen in islice(product(*each), MOST_TRIED):
        merged = tuple(dict.fromkeys(change for way in chosen for change in way))
        if len({change.name for change in merged}) == len(merged):
            yield merged
        else:  # two rules ask something of one input: either answer may do for both
            for turned in (merged, merged[::-1]):
                yield tuple({change.name: change for change in turned}.values())


def _ways_past(rules: dict[str, Rule], plan: Plan, case: Case, verdict: Verdict) -> Iterator[Way]:
    """Changes after which one rule, table or profile would have nothing to say."""
    rule = rules.get(verdict.rule)
    if rule is not None:
        yield from _past_rule(rule, case, plan)
    elif verdict.rule.startswith("tools.") and verdict.rule.endswith(".scope"):
        yield from _past_scope(plan, case, verdict)
    elif verdict.rule == "profile.uncalled":
        yield (Change(CALLED_FOR, True, f"the user asks for `{case.tool}`"),)
    elif verdict.rule.startswith("profile."):
        yield from _past_profile(case)


def _past_rule(rule: Rule, case: Case, plan: Plan) -> Iterator[Way]:
    if rule.question is not None:
        yield (Change(KNOWN + rule.id, "no", f"judges say no to `{rule.id}`"),)
    if rule.condition is None:
        return
    saw, missing = gather(rule.gets, case, plan.scopes)
    types = rule.condition.types
    given: list[Change] = []
    for name, why in missing.items():
        if why not in ABSENT and not name.startswith("args."):
            return  # nobody can tell what it would be
        if f"has.{name}" not in rule.gets:
            value = some(types[name])
            saw[name] = value
            told = f"{told_name(name)} is given" if why in ABSENT else f"{told_name(name)} is {_kind(types[name])}"
            given.append(Change(name, value, told))
    for way in ways_to(read_tree(rule.condition.text), False, saw, types)[:MOST]:
        changed = {change.name for change in way}
        yield (*(change for change in given if change.name not in changed), *way)


def _kind(kind: str) -> str:
    words = {"int": "a whole number", "double": "a number", "bool": "true or false", "string": "a text"}
    return words.get(kind, "a list" if kind.startswith("list") else "what its table says")


def _past_scope(plan: Plan, case: Case, verdict: Verdict) -> Iterator[Way]:
    for scope, said in plan.needs:
        if said.rule == verdict.rule and said.policy == verdict.policy:
            scopes = sorted({*(case.identity.scopes or ()), scope})
            yield (Change("scopes", scopes, f"the agent holds the scope `{scope}`"),)


def _past_profile(case: Case) -> Iterator[Way]:
    """Arguments that would come from who may say them: each alone, then all of them."""
    each = []
    for name in case.args or {}:
        origin = case.origins.of(name) if case.origins is not None else None
        if origin is not None and (origin.label not in OURS or origin.named or LABELS[origin.label] > 2):
            each.append(Change(f"provenance.args.{name}", "user", f"`{name}` comes from the user"))
    yield from ((change,) for change in each)
    if len(each) > 1:
        yield tuple(each)


def _stopping(decision: Decision) -> list[Verdict]:
    said = [*([decision.verdict] if decision.verdict else []), *decision.notes]
    return [verdict for verdict in said if STRICTNESS[verdict.action] >= _STOPS]


def _looked(rule: Rule, case: Case, plan: Plan) -> Reason:
    saw, missing = gather(rule.gets, case, plan.scopes)
    verdict = rule.judge_values(saw, missing)
    says = "not matched" if verdict is None else "could not be decided" if verdict.error else "matched"
    said = verdict or rule.said
    return Reason(
        rule.id,
        said.policy,
        said.place,
        says,
        said.action,
        rule.shadow,
        _written(rule),
        tuple((spoken(name), value) for name, value in saw.items()),
        tuple((spoken(name), why) for name, why in missing.items()),
        said.because,
    )


def _judged(rule: Rule, question: Question, case: Case, plan: Plan) -> Reason:
    """A rule that judges have the last word on, as far as it is known what they say."""
    looked = _looked(rule, case, plan)
    if looked.says != "matched":
        return looked
    decision = tried(((rule, question),), case, plan.scopes, Decision())
    said = decision.shadows[0] if question.shadow else decision.verdict
    assert said is not None, "its condition holds"
    says = "judged" if decision.unasked is None and matched(said) else "not judged"
    says = "not matched" if said.judged is not None and said.judged.get("result") == "no" else says
    return replace(looked, says=says, action=said.action, because=said.because)


def _written(rule: Rule) -> str:
    return rule.when if rule.condition is not None else ""


def _always(rule: Rule | Judge | None, verdict: Verdict) -> Reason:
    shadow = rule is not None and rule.shadow
    says = "could not be decided" if verdict.error else "matched"
    return Reason(
        verdict.rule, verdict.policy, verdict.place, says, verdict.action, shadow, "", (), (), verdict.because
    )
