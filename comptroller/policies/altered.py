"""A call with something of it otherwise: what a decision would be, had it been so."""

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from comptroller.core.intent import Wish
from comptroller.core.money import NANOS
from comptroller.core.origin import Origin, Origins
from comptroller.core.verdict import Case
from comptroller.policies.ways import GONE, Change

CALLED_FOR = "said"  # not an input: that the user's words call for the tool
_OF_THE_CASE = {
    "model.name": "model",
    "model.stream": "stream",
    "model.max_tokens": "max_tokens",
    "call.input_tokens": "input_tokens",
}
_OF_THE_CALLER = {
    "agent": "agent",
    "key": "key",
    "user": "user",
    "run.customer": "customer",
    "run.workflow": "workflow",
    "run.depth": "depth",
}


@dataclass(frozen=True, slots=True)
class Flow:
    """A data flow with some of it otherwise."""

    real: Origins
    labels_of: Mapping[str, str]
    wished: bool

    @property
    def tainted(self) -> bool:
        """As it was."""
        return self.real.tainted

    @property
    def labels(self) -> Sequence[str]:
        """As they were."""
        return self.real.labels

    @property
    def handed_over(self) -> bool:
        """As it was."""
        return self.real.handed_over

    def called_for(self, wish: Wish) -> bool | None:
        """Yes, where that is what is otherwise."""
        return True if self.wished else self.real.called_for(wish)

    def of(self, name: str) -> Origin | None:
        """As it was, or from elsewhere in one piece."""
        label: Any = self.labels_of.get(name)
        return self.real.of(name) if label is None else Origin(label, (label,), whole=True)


def altered(case: Case, changes: Iterable[Change]) -> Case | None:
    """The case with these changes; None where one of them cannot be made."""
    found = replace(case, args=deepcopy(dict(case.args)) if case.args is not None else None, known=dict(case.known))
    labels: dict[str, str] = {}
    wished = False
    for change in changes:
        if change.name == CALLED_FOR:
            wished = True
        elif not _make(found, change):
            return None
        elif change.name.startswith("provenance.args."):
            labels[field_of(change.name)] = str(change.value)
    if found.origins is not None and (labels or wished):
        found.origins = Flow(found.origins, labels, wished)
    return found


def _make(case: Case, change: Change) -> bool:
    name, value = change.name, change.value
    if name.startswith("args."):
        return _put(case, name, value)
    if name in _OF_THE_CASE:
        setattr(case, _OF_THE_CASE[name], None if value is GONE else value)
    elif name in _OF_THE_CALLER:
        case.identity = replace(case.identity, **{_OF_THE_CALLER[name]: "" if value is GONE else value})  # type: ignore[arg-type]
    elif name == "scopes" and isinstance(value, list):
        case.identity = replace(case.identity, scopes=frozenset(value))
    elif name == "call.worst_cost" and isinstance(value, int | float):
        case.worst_cost_nanos = round(value * NANOS)
    elif name == "run.spent" and isinstance(value, int | float):
        case.spent_nanos = lambda: round(value * NANOS)
    elif name == "run.calls" and isinstance(value, int):
        case.run_calls = lambda: value
    elif name == "text" and isinstance(value, str):
        case.text = lambda: value
    elif name == "reply.text" and isinstance(value, str):
        case.reply_text = lambda: value
    elif name.startswith(("provenance.", "sources.", "run.tainted", "run.labels", "outcome.type", "judge.")):
        if name.startswith("provenance."):
            name = f"provenance.args.{field_of(name)}"
        case.known = {**case.known, name: value}
    else:
        return False
    return True


def field_of(name: str) -> str:
    """The argument behind an input such as `args.x` or `provenance.args.x`."""
    last = name.partition("args.")[2]
    return bytes.fromhex(last[2:]).decode("utf-8", "surrogatepass") if last.startswith("q_") else last


def _put(case: Case, name: str, value: object) -> bool:
    """Set an argument, or a field inside one."""
    *path, last = name.removeprefix("args.").split(".")
    if case.args is None:
        return False
    here: Any = case.args
    path, last = (path, last) if path else ([], field_of(name))
    for step in path:
        if not isinstance(here, dict) or not isinstance(here.setdefault(step, {}), dict):
            return False
        here = here[step]
    if value is GONE:
        here.pop(last, None)
    else:
        here[last] = value
    return True
