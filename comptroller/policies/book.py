"""The book of policies: everything loaded, indexed so that a decision costs what can apply, not what is there."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Literal, TypeVar, cast

from comptroller.core.call import Identity
from comptroller.core.memory import CALLS
from comptroller.core.origin import SECRECY, Secrecy
from comptroller.core.source import Lines
from comptroller.core.verdict import STRICTNESS, Action, Cap, Case, Decision, Limit, Stage, Verdict
from comptroller.policies.caps import caps_of, ids_of, limits_of
from comptroller.policies.globs import Matches, any_of, is_glob
from comptroller.policies.healing import heals
from comptroller.policies.inputs import Scopes
from comptroller.policies.plan import Group, Plan, group_rules, sum_up
from comptroller.policies.profile import Judge
from comptroller.policies.rule import Rule

if TYPE_CHECKING:  # a process without policies has no use for pydantic's frames, 30 ms of an import
    from comptroller.policies.document import Document

CACHE = 4_096  # plans and readings kept; names come from callers and must not fill our memory
HARD = frozenset({"deny", "clamp", "ask"})
_EFFECTS = {"read": 0, "write": 1, "external": 2}
_RETURNS = {"trusted": 0, "names": 1, "foreign": 2, "untrusted": 3}
# The same for all cases of a plan: a pattern over a tool's name costs 45 us, and need not be asked for each call.
_FIXED = frozenset({"tool", "agent", "run.workflow"})
_Placed = tuple[int, int, Rule]  # its place among all rules, the number of its policy, itself
_NOT_YET = object()
_V = TypeVar("_V")
_K = TypeVar("_K")


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """A file as it was loaded: what the policy.loaded fact keeps."""

    path: str
    digest: str
    text: str


@dataclass(frozen=True, slots=True)
class ToolRule:
    """What the tool tables say of one tool."""

    name: str
    effect: str
    returns: str
    args: Mapping[str, str] | None
    scope: str
    place: str
    secrecy: Secrecy = "public"
    own: frozenset[str] = frozenset()  # fields of an untrusted result that the system itself fills in


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """One file, compiled."""

    name: str
    file: PolicyFile
    document: "Document"
    lines: Lines
    rules: tuple[Rule, ...]
    workflows: Matches
    agents: Matches
    judges: Mapping[str, Judge] = field(default_factory=dict)  # its profile, by tool

    def applies(self, workflow: str, agent: str) -> bool:
        """Whether the file holds for calls of that agent in that workflow."""
        return self.workflows(workflow) and self.agents(agent)

    def place(self, *path: str | int) -> str:
        """`file:line` of the key at the path."""
        return f"{self.file.path}:{self.lines.find(path)}"


class Book:
    """All policies of a desk. Immutable; a new version is a new book."""

    def __init__(self, policies: Sequence[Policy] = ()) -> None:
        self.policies = tuple(policies)
        self.files = tuple(policy.file for policy in policies)
        self.version = digest_of(self.files)
        self.rules = sum(len(policy.rules) for policy in policies)
        self._exact: dict[tuple[str, str], list[_Placed]] = {}
        self._globs: dict[str, list[tuple[_Placed, Matches]]] = {}
        self._index()
        self._plans: dict[tuple[str, str, str, str], Plan] = {}
        self._groups: dict[tuple[Rule, ...], tuple[Group, ...]] = {}
        self._applying: dict[tuple[str, str], tuple[int, ...]] = {}
        self._guards: dict[tuple[str, str, str], Mapping[str, Action]] = {}
        self._tools: dict[tuple[str, str, str], ToolRule | None] = {}
        self._caps: dict[tuple[object, ...], tuple[Cap, ...]] = {}
        self._limits: dict[tuple[object, ...], tuple[Limit, ...]] = {}
        documents = [policy.document for policy in policies]
        # Whether anything asks where values come from: else nobody keeps track.
        self.traces = any(
            policy.judges or policy.document.memories or any(map(_traces, policy.rules)) for policy in policies
        )
        self.limited = any(document.limits for document in documents)
        self.queued = any(budget.queue for document in documents for budget in document.budgets) or any(
            limit.queue for document in documents for limit in document.limits
        )
        self.heals = any(map(heals, documents))
        self.judged = any(rule.question is not None for policy in policies for rule in policy.rules)
        self.says = frozenset(name for document in documents for name in document.model_fields_set)  # which sections
        self._gathered: dict[tuple[object, str, str], object] = {}
        self._hides = any(document.tools_offered == "allowed" for document in documents)
        self._hidden: dict[tuple[object, ...], tuple[str, ...]] = {}

    def decide(self, case: Case) -> Decision:
        """What the policies say of a case."""
        identity = case.identity
        key = (case.stage, case.tool, identity.workflow, identity.agent)
        plan = self._plans.get(key)
        if plan is None:
            plan = _keep(self._plans, key, lambda: self._plan(*key))
        return plan.decide(case)

    def plan(self, case: Case) -> Plan:
        """All that can have a say on a case: what `decide` goes by."""
        return self._plan(case.stage, case.tool, case.identity.workflow, case.identity.agent, ahead=False)

    def watches(self, stage: str, identity: Identity, tool: str = "") -> bool:
        """Whether any rule is there for a stage (of no certain tool): else nothing has to be gathered for it."""
        key = (stage, tool, identity.workflow, identity.agent)
        plan = self._plans.get(key) or _keep(self._plans, key, lambda: self._plan(*key))
        return bool(plan.groups or plan.always or plan.judged)

    def guards(self, identity: Identity, direction: Literal["in", "out"]) -> Mapping[str, Action]:
        """The guards that apply and what each does where it finds something: the strictest that any policy says."""
        key = (identity.workflow, identity.agent, direction)
        found = self._guards.get(key)
        return found if found is not None else _keep(self._guards, key, lambda: self._guards_of(*key))

    def caps(self, identity: Identity, tool: str = "") -> tuple[Cap, ...]:
        """The budgets that apply to a call; a scope that is not said has none."""
        key = (*ids_of(identity, tool).values(),)
        found = self._caps.get(key)
        return (
            found
            if found is not None
            else _keep(self._caps, key, lambda: caps_of(self._apply(identity.workflow, identity.agent), identity, tool))
        )

    def limits(self, identity: Identity, tool: str = "") -> tuple[Limit, ...]:
        """The limits of a call, in one order: those per tool for a tool call, all others for the rest."""
        if not self.limited:
            return ()
        key = (*ids_of(identity, tool).values(),)
        found = self._limits.get(key)
        return (
            found
            if found is not None
            else _keep(
                self._limits, key, lambda: limits_of(self._apply(identity.workflow, identity.agent), identity, tool)
            )
        )

    def hard_capped(self, identity: Identity) -> bool:
        """Whether a cap applies that a call must not pass."""
        return any(cap.over in HARD for cap in self.caps(identity))

    def tool(self, identity: Identity, name: str) -> ToolRule | None:
        """What the tables say of a tool: its strictest effect, untrusted if any says so; None where it is unlisted."""
        key = (identity.workflow, identity.agent, name)
        if key in self._tools:
            return self._tools[key]
        return _keep(self._tools, key, lambda: self._tool_of(*key))

    def scopes(self, identity: Identity) -> frozenset[str] | None:
        """The scopes left when the agents' tables have taken theirs; None is not limited."""
        table = self._table_scopes(identity.workflow, identity.agent)
        if identity.scopes is None or table is None:
            return identity.scopes if table is None else table
        return identity.scopes & table

    def downgrade_to(self, identity: Identity) -> str | None:
        """The model to fall back to: of the first policy that names one."""
        for policy in self._apply(identity.workflow, identity.agent):
            if policy.document.downgrade is not None:
                return policy.document.downgrade.to
        return None

    def gathered(self, gather: Callable[[Sequence[Policy]], _V], identity: Identity) -> _V:
        """What `gather` makes of the policies that apply to an agent; asked once for each. See `says` before."""
        key = (gather, identity.workflow, identity.agent)
        found = self._gathered.get(key, _NOT_YET)
        if found is _NOT_YET:
            found = _keep(self._gathered, key, lambda: gather(self._apply(identity.workflow, identity.agent)))
        return cast(_V, found)

    def hidden(self, identity: Identity, tools: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the tools on offer that are to be taken out of a request: this agent may never call them."""
        if not self._hides or not tools:
            return ()
        key = (identity.workflow, identity.agent, identity.scopes, tools)
        found = self._hidden.get(key)
        return found if found is not None else _keep(self._hidden, key, lambda: self._hidden_of(identity, tools))

    # How a plan is made.

    def _index(self) -> None:
        written = ((number, rule) for number, policy in enumerate(self.policies) for rule in policy.rules)
        for order, (number, rule) in enumerate(written):
            placed = (order, number, rule)
            if is_glob(rule.tool):
                self._globs.setdefault(rule.stage, []).append((placed, any_of([rule.tool])))
            else:
                self._exact.setdefault((rule.stage, rule.tool), []).append(placed)

    def _apply(self, workflow: str, agent: str) -> tuple[Policy, ...]:
        return tuple(self.policies[number] for number in self._numbers(workflow, agent))

    def _numbers(self, workflow: str, agent: str) -> tuple[int, ...]:
        key = (workflow, agent)
        found = self._applying.get(key)
        if found is None:
            numbered = enumerate(self.policies)
            found = tuple(number for number, policy in numbered if policy.applies(workflow, agent))
            _keep(self._applying, key, lambda: found)
        return found

    def _plan(self, stage: str, tool: str, workflow: str, agent: str, ahead: bool = True) -> Plan:
        """All that can have a say. `ahead`: what asks for the tool, agent or workflow alone is decided here, once."""
        found = self._rules(stage, tool, frozenset(self._numbers(workflow, agent)))
        fixed = Case(cast(Stage, stage), Identity(workflow=workflow, agent=agent), tool=tool)
        always: list[tuple[Rule | None, Verdict]] = []
        open_: list[Rule] = []
        judged = tuple((rule, rule.question) for rule in found if rule.question is not None)
        for rule in found:
            if rule.question is not None:
                continue
            if rule.condition is not None and not (ahead and rule.gets.keys() <= _FIXED):
                open_.append(rule)
            elif (verdict := rule.judge(fixed, None)) is not None:
                always.append((rule, verdict))
        rules = tuple(open_)
        groups = self._groups.get(rules)
        if groups is None:  # tools that meet the same rules share one program
            groups = _keep(self._groups, rules, lambda: group_rules(rules))
        needs: list[tuple[str, Verdict]] = []
        scopes = self._table_scopes(workflow, agent)
        if stage == "tool":
            always += [(None, verdict) for verdict in self._tables(tool, workflow, agent)]
            needs = self._needs(tool, workflow, agent)
            always += [(None, verdict) for scope, verdict in needs if scopes is not None and scope not in scopes]
        judges = self._judges(tool, workflow, agent) if stage == "tool" else ()
        return Plan(groups, tuple(always), tuple(needs), scopes, sum_up(always), judges, judged)

    def _judges(self, tool: str, workflow: str, agent: str) -> tuple[Judge, ...]:
        """What the profiles have to say of a tool."""
        applying = self._apply(workflow, agent)
        return tuple(policy.judges[tool] for policy in applying if tool in policy.judges)

    def _rules(self, stage: str, tool: str, applying: frozenset[int]) -> tuple[Rule, ...]:
        found = [*self._exact.get((stage, tool), ())]
        found += [placed for placed, matches in self._globs.get(stage, ()) if matches(tool)]
        return tuple(rule for _, number, rule in sorted(found, key=_order) if number in applying)

    def _tables(self, tool: str, workflow: str, agent: str) -> list[Verdict]:
        """What the tables of agents and tools say by themselves."""
        said = []
        for policy in self._apply(workflow, agent):
            for name, table in policy.document.agents.items():
                if table.tools is not None and any_of([name])(agent) and not any_of(table.tools)(tool):
                    said.append(_not_on_list(policy, name, tool, agent))
        unlisted = self._unlisted(tool, workflow, agent)
        return [*said, unlisted] if unlisted is not None else said

    def _unlisted(self, tool: str, workflow: str, agent: str) -> Verdict | None:
        applying = self._apply(workflow, agent)
        if any(tool in (policy.document.tools or ()) for policy in applying):
            return None
        if tool in CALLS and any(policy.document.memories for policy in applying):
            return None  # what may be done to a memory is said there
        if not applying:
            return None
        policy = max(applying, key=lambda policy: STRICTNESS[_unlisted_action(policy.document)])
        action = _unlisted_action(policy.document)
        if action == "allow":
            return None
        because = f"No tool table lists `{tool}`. List it under `tools`, or say `unlisted: allow`."
        place = policy.place("unlisted") if policy.document.unlisted else policy.place("tools")
        return Verdict(action, "unlisted", policy.name, because, place)

    def _needs(self, tool: str, workflow: str, agent: str) -> list[tuple[str, Verdict]]:
        found = []
        for policy in self._apply(workflow, agent):
            table = (policy.document.tools or {}).get(tool)
            if table is not None and table.scope is not None:
                because = f"`{tool}` needs the scope `{table.scope}`, which this agent does not hold."
                place = policy.place("tools", tool, "scope")
                found.append((table.scope, Verdict("deny", f"tools.{tool}.scope", policy.name, because, place)))
        return found

    def _table_scopes(self, workflow: str, agent: str) -> Scopes:
        left: Scopes = None
        for policy in self._apply(workflow, agent):
            for name, table in policy.document.agents.items():
                if table.scopes is not None and any_of([name])(agent):
                    left = frozenset(table.scopes) if left is None else left & frozenset(table.scopes)
        return left

    # Readings of the other sections.

    def _guards_of(self, workflow: str, agent: str, direction: str) -> Mapping[str, Action]:
        found: dict[str, Action] = {}
        for policy in self._apply(workflow, agent):
            for name, guard in policy.document.guards.items():
                action: Action = guard.into if direction == "in" else guard.out
                if STRICTNESS[action] >= STRICTNESS[found.get(name, "allow")]:
                    found[name] = action
        return found

    def _hidden_of(self, identity: Identity, tools: tuple[str, ...]) -> tuple[str, ...]:
        applying = self._apply(identity.workflow, identity.agent)
        if not any(policy.document.tools_offered == "allowed" for policy in applying):
            return ()
        plans = {tool: self._plan("tool", tool, identity.workflow, identity.agent) for tool in tools}
        return tuple(tool for tool, plan in plans.items() if plan.never(identity.scopes))

    def _tool_of(self, workflow: str, agent: str, name: str) -> ToolRule | None:
        found: ToolRule | None = None
        for policy in self._apply(workflow, agent):
            table = (policy.document.tools or {}).get(name)
            if table is None:
                continue
            place = policy.place("tools", name)
            own = frozenset(table.own)
            said = ToolRule(name, table.effect, table.returns, table.args, table.scope or "", place, table.secrecy, own)
            found = said if found is None else _stricter(found, said)
        return found


def empty_book() -> Book:
    """A book without policies: allows everything, caps nothing."""
    return Book()


def digest_of(files: Sequence[PolicyFile]) -> str:
    """The version of a set of files: the same names with the same texts in the same order."""
    digest = sha256()
    for file in files:
        name = file.path.replace("\\", "/").rsplit("/", 1)[-1]  # a version must not change with the folder
        for text in (name, file.text):
            data = text.encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:16]


def _traces(rule: Rule) -> bool:
    """Whether a rule asks about the data flow."""
    return any(
        name.removeprefix("has.").startswith(("provenance.", "sources.", "run.tainted", "run.labels"))
        for name in rule.gets
    )


def _order(placed: _Placed) -> int:
    return placed[0]


def _keep(cache: dict[_K, _V], key: _K, make: Callable[[], _V]) -> _V:
    value = make()
    if len(cache) >= CACHE:  # forgetting all is rare and simple; what is in use comes back at once
        cache.clear()
    cache[key] = value
    return value


def _unlisted_action(document: "Document") -> Action:
    if document.unlisted is not None:
        return document.unlisted
    return "ask" if document.tools is not None else "allow"


def _not_on_list(policy: Policy, name: str, tool: str, agent: str) -> Verdict:
    because = f"`{tool}` is not among the tools of agent `{agent}`. Add it to `agents: {name}: tools`, or do without."
    return Verdict("deny", f"agents.{name}.tools", policy.name, because, policy.place("agents", name, "tools"))


def _stricter(one: ToolRule, other: ToolRule) -> ToolRule:
    effect = max(one.effect, other.effect, key=_EFFECTS.__getitem__)
    returns = max(one.returns, other.returns, key=_RETURNS.__getitem__)
    secrecy = max(one.secrecy, other.secrecy, key=SECRECY.__getitem__)
    # A field is the system's own only where all say so who do not trust the rest.
    own = one.own & other.own if "trusted" not in (one.returns, other.returns) else one.own | other.own
    args = one.args if one.args is not None else other.args
    scope = one.scope or other.scope
    return replace(one, effect=effect, returns=returns, args=args, scope=scope, secrecy=secrecy, own=own)
