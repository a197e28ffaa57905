"""Replies that a provider keeps: going on with one pays for its conversation again, so its length is kept too."""

from collections import OrderedDict

from comptroller.core.call import Request
from comptroller.core.facts import CALL_CLOSED, Fact

NAMED = "previous_response_id"
MOST = 50_000  # replies remembered; a forgotten one has no bound any more


class Kept:
    """How many tokens the conversation up to a reply was counted at, by the reply's id."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._tokens: OrderedDict[tuple[object, ...], int] = OrderedDict()

    def watch(self, fact: Fact) -> None:
        """Remember a reply that came with its usage; an estimate bounds nothing."""
        data = fact.data
        if fact.kind != CALL_CLOSED or data.get("dialect") != "openai_responses" or data.get("estimated"):
            return
        upstream, usage = data.get("upstream"), data.get("usage")
        if not isinstance(upstream, dict) or not isinstance(usage, dict) or "reply" not in upstream:
            return
        mark = (data["tenant"], data["name"], upstream["reply"])
        self._tokens[mark] = usage.get("input", 0) + usage.get("output", 0)
        self._tokens.move_to_end(mark)
        while len(self._tokens) > self._most:
            self._tokens.popitem(last=False)

    def earlier(self, tenant: str, request: Request) -> int | None:
        """The tokens of what a request goes on with. Another model counts the same words differently, so it is asked
        for the same model only."""
        if NAMED not in request.unbounded:
            return None
        return self._tokens.get((tenant, request.model, request.hints.get(NAMED)))
