"""Tools on offer: those an agent may never call are taken out of its requests, where a policy wants that."""

from comptroller.core.call import Request
from comptroller.core.errors import Denied
from comptroller.core.verdict import Verdict
from comptroller.wrapper.entry import Entry

RULE = "tools_offered"
TOLD = 20  # names in a record; an agent may bring hundreds
_NONE: frozenset[str] = frozenset()


def withheld(entry: Entry, request: Request) -> frozenset[str]:
    """The names of the tools that go out of the request; on record where there are any."""
    names = entry.desk.book.hidden(entry.identity, request.tools)
    if not names:
        return _NONE
    told = ", ".join(names[:TOLD]) + (f" and {len(names) - TOLD} more" if len(names) > TOLD else "")
    entry.say("model", Verdict("note", RULE, "", f"Not offered to the model, as this agent may not call them: {told}."))
    return frozenset(names)


def not_on_offer(tool: str) -> Denied:
    """The refusal of a request that demands a call of a tool that may not be called."""
    told = f"a call of `{tool}`, which this agent may not make" if tool else "a tool call, and no tool is left for one"
    because = f"The request demands {told}. Change its tool choice, or allow the tool in the policy."
    return Denied(because, {"rule": RULE})
