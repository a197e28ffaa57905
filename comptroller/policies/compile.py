"""From documents to policies: rules compiled, and everything checked that a single key cannot tell."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from comptroller.core.judges import Reach
from comptroller.core.mistakes import Mistake, did_you_mean
from comptroller.core.source import Lines
from comptroller.core.verdict import Verdict
from comptroller.policies.amounts import read_cap
from comptroller.policies.book import Policy, PolicyFile
from comptroller.policies.condition import Condition
from comptroller.policies.document import Document, Tool
from comptroller.policies.document import Rule as Written
from comptroller.policies.globs import any_of, is_glob
from comptroller.policies.inputs import Get, Vocabulary
from comptroller.policies.judging import Bench, asks_somebody, bench_of, question_of
from comptroller.policies.judging import mistakes_in as mistakes_of_judges
from comptroller.policies.literals import check_literals
from comptroller.policies.never import why_never
from comptroller.policies.people import ask_for
from comptroller.policies.profile import Judge, judge_of
from comptroller.policies.rule import Rule
from comptroller.policies.sections import mistakes_in
from comptroller.policies.syntax import BadCondition, read_condition
from comptroller.policies.tokens import unknown_kinds

NAMELESS = "?"  # stands for a name that is missing, so that the rest of the file can still be looked at
_WITH_TOOL = ("tool", "result")
_ONLY_ON = {"downgrade": ("model",), "redact": ("model", "tool", "reply", "result")}  # elsewhere it would do nothing


@dataclass(frozen=True, slots=True)
class Draft:
    """A file whose frame is right, not compiled yet."""

    file: PolicyFile
    document: Document
    lines: Lines


@dataclass(slots=True)
class Known:
    """What the rest of the program can tell a loader; None is not known and not checked."""

    currencies: frozenset[str] | None = None
    guards: frozenset[str] | None = None
    kinds: frozenset[str] | None = None  # of what the guards find
    tools: Mapping[str, Tool] = field(default_factory=dict)  # as those who serve them describe them
    reach: Reach | None = None  # of judges


@dataclass(slots=True)
class Compiler:
    """Compiles the drafts of one book and gathers the mistakes of all of them."""

    drafts: Sequence[Draft]
    known: Known
    mistakes: list[Mistake] = field(default_factory=list)
    whole: bool = True  # nothing was cut out of the frames: what is not there was never written
    bench: Bench = field(init=False)

    def __post_init__(self) -> None:
        self.bench = bench_of(self.drafts)

    def compile(self) -> list[Policy]:
        """A policy for each draft; usable only when no mistakes were found."""
        self.whole = not self.mistakes
        self._unique_names()
        if self.whole:
            self._check_judges()
        return [self._policy(draft) for draft in self.drafts]

    def _wrong(self, draft: Draft, path: tuple[str | int, ...], text: str) -> None:
        self.mistakes.append(Mistake(draft.file.path, draft.lines.find(path), text))

    def _unique_names(self) -> None:
        policies: dict[str, str] = {}
        rules: dict[str, str] = {}
        for draft in self.drafts:
            if draft.document.policy != NAMELESS:
                self._once(draft, policies, draft.document.policy, ("policy",), "policy")
            for number, rule in enumerate(draft.document.rules):
                self._once(draft, rules, rule.id, ("rules", number, "id"), "rule")

    def _once(self, draft: Draft, seen: dict[str, str], name: str, path: tuple[str | int, ...], what: str) -> None:
        if name in seen:
            self._wrong(
                draft, path, f"There is a {what} `{name}` already, at {seen[name]}. Give this one another name."
            )
        seen.setdefault(name, f"{draft.file.path}:{draft.lines.find(path)}")

    def _policy(self, draft: Draft) -> Policy:
        document = draft.document
        self._check_budgets(draft)
        self._check_limits(draft)
        self._check_guards(draft)
        if self.whole:
            self._check_tools(draft)
            self._check_agents(draft)
            self._check_tests(draft)
            for path, text in mistakes_in(document, self.known.currencies):
                self._wrong(draft, path, text)
        rules = [self._rule(draft, number, rule) for number, rule in enumerate(document.rules)]
        compiled = tuple(rule for rule in rules if rule is not None)
        applies = document.applies
        return Policy(
            document.policy,
            draft.file,
            document,
            draft.lines,
            compiled,
            any_of(applies.workflows),
            any_of(applies.agents),
            _judges(draft),
        )

    def _check_judges(self) -> None:
        for draft, path, text in mistakes_of_judges(self.drafts, self.bench, self.known.reach, self.known.currencies):
            self._wrong(draft, path, text)

    def _check_budgets(self, draft: Draft) -> None:
        for number, budget in enumerate(draft.document.budgets):
            unit = read_cap(budget.cap)[0]
            currencies = self.known.currencies
            if unit not in ("calls", "tokens") and currencies is not None and unit not in currencies:
                text = (
                    f"There is no rate for {unit}, so this cap cannot be counted. Add one under `fx` in the settings."
                )
                self._wrong(draft, ("budgets", number, "cap"), text)
            if budget.per == "tool" and unit != "calls":
                text = "`per: tool` counts calls, and a tool has neither price nor tokens. Write it like `100 calls`."
                self._wrong(draft, ("budgets", number, "cap"), text)
            if budget.over == "downgrade":
                self._check_downgrade(draft, ("budgets", number, "over"))
            if budget.over == "note" and budget.queue:
                text = "`over: note` keeps no call out, so none would wait. Remove `queue`, or write `over: deny`."
                self._wrong(draft, ("budgets", number, "queue"), text)

    def _check_limits(self, draft: Draft) -> None:
        for number, limit in enumerate(draft.document.limits):
            if limit.per == "tool" and limit.tokens is not None:
                text = "A tool has no tokens. Write `requests` or `concurrent`, or limit the tokens of another scope."
                self._wrong(draft, ("limits", number, "tokens"), text)

    def _check_downgrade(self, draft: Draft, path: tuple[str | int, ...]) -> None:
        if not any(other.document.downgrade for other in self.drafts):
            self._wrong(draft, path, "No policy says what to downgrade to. Add `downgrade: {to: MODEL}`.")

    def _check_guards(self, draft: Draft) -> None:
        for name, guard in draft.document.guards.items():
            if self.whole and not guard.model_fields_set - {"evidences", "retry"}:
                text = f"The guard `{name}` looks in no direction. Write `in:` or `out:` with an action, or remove it."
                self._wrong(draft, ("guards", name), text)
            if self.known.guards is not None and name not in self.known.guards:
                text = f"There is no guard `{name}`. {did_you_mean(name, self.known.guards)}"
                self._wrong(draft, ("guards", name), text)
        for path, text in unknown_kinds(draft.document, self.known.kinds) if self.known.kinds is not None else ():
            self._wrong(draft, path, text)

    def _check_tools(self, draft: Draft) -> None:
        """Arguments a table gives a part must be arguments it has; a profile without a table judges nothing."""
        document = draft.document
        for name, table in (document.tools or {}).items():
            for part in ("sensitive", "content", "exits"):
                for number, arg in enumerate(getattr(table, part) or ()):
                    if table.args is not None and arg not in table.args:
                        text = f"`{name}` has no argument `{arg}`. {did_you_mean(arg, table.args)}"
                        self._wrong(draft, ("tools", name, part, number), text)
            if table.own and table.returns == "trusted":
                text = f"All that `{name}` returns is trusted, so `own` says nothing. Write `returns: untrusted`."
                self._wrong(draft, ("tools", name, "own"), text)
        if document.profile is not None and not document.tools:
            text = "The profile goes by a tool table, and this file has none. List the tools under `tools`."
            self._wrong(draft, ("profile",), text)

    def _check_agents(self, draft: Draft) -> None:
        """A tool on an agent's list that is nearly one of the tables; others may well be tools that no table needs."""
        listed = {name for other in self.drafts for name in other.document.tools or {}}
        for agent, table in draft.document.agents.items():
            for number, tool in enumerate(table.tools or ()):
                near = [] if is_glob(tool) or tool in listed else get_close_matches(tool, sorted(listed), n=1)
                if near:
                    text = f"No tool table lists `{tool}`. Did you mean `{near[0]}`? Else list it under `tools`."
                    self._wrong(draft, ("agents", agent, "tools", number), text)

    def _check_tests(self, draft: Draft) -> None:
        known = {rule.id for other in self.drafts for rule in other.document.rules}
        for number, example in enumerate(draft.document.tests):
            by, path = example.by, ("tests", number)
            if by and by not in known and not _made(by):
                self._wrong(draft, (*path, "by"), f"There is no rule `{by}`. {did_you_mean(by, known)}")
            args = _shared_args(self._tables(draft, example.call.tool)) if example.call.tool else None
            for name in sorted(set(example.call.args or ()) - args.keys()) if args is not None else ():
                text = f"`{example.call.tool}` takes no argument `{name}`. {did_you_mean(name, args or ())}"
                self._wrong(draft, (*path, "call", "args", name), text)

    def _rule(self, draft: Draft, number: int, rule: Written) -> Rule | None:
        """The compiled rule, or None where a mistake was noted."""
        path = ("rules", number)
        before = len(self.mistakes)
        self._check_rule(draft, path, rule)
        condition: Condition | None = None
        gets: dict[str, Get] = {}
        try:
            vocabulary = self._vocabulary(draft, rule)
            reading = read_condition(rule.when, vocabulary.resolve)
            inputs = {name: vocabulary.input(name) for name in reading.inputs}
            gets = {name: item.get for name, item in inputs.items()}
            condition = Condition(reading.text, {name: item.type for name, item in inputs.items()})
            check_literals(rule.when)
            self._check_matches(draft, path, rule)
        except BadCondition as error:
            self._wrong(draft, (*path, "when"), f"Rule `{rule.id}`: {error}")
        if len(self.mistakes) > before:
            return None
        return _bind(draft, number, rule, None if rule.when.strip() == "true" else condition, gets, self.bench)

    def _check_rule(self, draft: Draft, path: tuple[str | int, ...], rule: Written) -> None:
        if rule.ask is not None and "ask" not in (rule.then, rule.on_error) and not asks_somebody(rule):
            text = f"Rule `{rule.id}` says whom to ask and then does not ask. Write `then: ask`, or remove `ask`."
            self._wrong(draft, (*path, "ask"), text)
        if rule.ask is not None and rule.ask.benefits and rule.on != "tool":
            text = f"Rule `{rule.id}`: on stage {rule.on} there are no arguments that could name who benefits. "
            self._wrong(draft, (*path, "ask", "benefits"), f"{text}Remove `benefits`, or say `on: tool`.")
        if rule.then == "downgrade":
            self._check_downgrade(draft, (*path, "then"))
        if rule.then in _ONLY_ON and rule.on not in _ONLY_ON[rule.then]:
            text = (
                f"Rule `{rule.id}`: on stage {rule.on} there is nothing to {rule.then}. Write `deny`, `ask` or `note`."
            )
            self._wrong(draft, (*path, "then"), text)
        if rule.tool is not None:
            self._check_tool(draft, path, rule, rule.tool)

    def _check_tool(self, draft: Draft, path: tuple[str | int, ...], rule: Written, tool: str) -> None:
        if rule.on not in _WITH_TOOL:
            text = (
                f"Rule `{rule.id}` names a tool on stage {rule.on}, which has none. Say `on: tool`, or remove `tool`."
            )
            self._wrong(draft, (*path, "tool"), text)
        elif draft.document.tools is not None and not self._tables(draft, tool):
            text = f"Rule `{rule.id}` can never match: no table lists `{tool}`. "
            self._wrong(draft, (*path, "tool"), text + did_you_mean(tool, draft.document.tools))

    def _check_matches(self, draft: Draft, path: tuple[str | int, ...], rule: Written) -> None:
        why = why_never(rule.when, rule.tool or "*")
        if why:
            text = f"Rule `{rule.id}` can never match: {why}. Mend the condition, or remove the rule."
            self._wrong(draft, (*path, "when"), text)

    def _vocabulary(self, draft: Draft, rule: Written) -> Vocabulary:
        tables = self._tables(draft, rule.tool or "*") if rule.on in _WITH_TOOL else []
        return Vocabulary(rule.on, _shared_args(tables), rule.tool or "")

    def _tables(self, draft: Draft, tool: str) -> list[Tool]:
        """The tables of the tools a rule is for: of its own file, else of the others."""
        own = self._matching(draft, tool)
        others = (self._matching(other, tool) for other in self.drafts if other is not draft)
        return own or [table for found in others for table in found] or _matching(self.known.tools, tool)

    def _matching(self, draft: Draft, tool: str) -> list[Tool]:
        """The tables of a file; what they do not say of arguments is what a description says."""
        tables, described = draft.document.tools or {}, self.known.tools
        whole = {
            name: described[name] if table.args is None and name in described else table
            for name, table in tables.items()
        }
        return _matching(whole, tool)


def _made(rule: str) -> bool:
    """Whether it is a name that tables give to what they say: `unlisted`, `tools.T.scope`, `agents.A.tools`."""
    return rule == "unlisted" or rule.startswith(("tools.", "agents.", "profile."))


def _matching(tables: Mapping[str, Tool], tool: str) -> list[Tool]:
    if not is_glob(tool):
        return [tables[tool]] if tool in tables else []
    matches = any_of([tool])
    return [table for name, table in tables.items() if matches(name)]


def _shared_args(tables: Iterable[Tool]) -> dict[str, str] | None:
    """The arguments of all tables, an argument of two types being of any; None where one may take anything."""
    shared: dict[str, str] = {}
    some = False
    for table in tables:
        some = True
        if table.args is None:
            return None
        for name, kind in table.args.items():
            kind = kind.removesuffix("?")
            shared[name] = kind if shared.get(name, kind) == kind else "any"
    return shared if some else None


def _bind(
    draft: Draft, number: int, rule: Written, condition: Condition | None, gets: Mapping[str, Get], bench: Bench
) -> Rule:
    ask = ask_for(rule.ask) if "ask" in (rule.then, rule.on_error) else None
    policy = draft.document.policy
    because = rule.because or _generated(rule, policy)
    place = f"{draft.file.path}:{draft.lines.find(('rules', number))}"
    said = Verdict(rule.then, rule.id, policy, because, place, ask=ask if rule.then == "ask" else None)
    return Rule(
        id=rule.id,
        stage=rule.on,
        tool=rule.tool or "*",
        condition=condition,
        gets=gets,
        shadow=rule.mode == "shadow",
        on_error=rule.on_error,
        said=said,
        ask=ask if rule.on_error == "ask" else None,
        question=question_of(rule, said, bench),
        when=" ".join(rule.when.split()),
    )


def _generated(rule: Written, policy: str) -> str:
    about = f"on {rule.on}" + (f" `{rule.tool}`" if rule.tool else "")
    when = " ".join(rule.when.split())
    return f"Rule `{rule.id}` of policy `{policy}` {about} says so" + (f" when {when}." if when != "true" else ".")


def _judges(draft: Draft) -> dict[str, Judge]:
    """What a file's profile says of each tool in its table."""
    profile, tools = draft.document.profile, draft.document.tools
    if profile is None or tools is None:
        return {}
    ask, shadow = ask_for(profile.ask), profile.mode == "shadow"
    return {
        name: judge_of(
            name,
            table,
            draft.document.policy,
            f"{draft.file.path}:{draft.lines.find(('tools', name))}",
            profile.uncalled,
            shadow,
            ask,
        )
        for name, table in tools.items()
    }
