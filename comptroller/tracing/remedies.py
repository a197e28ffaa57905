"""What helps against a failure, by what kind of failure it is."""

from comptroller.tracing.step import Step

_REFUSED = {
    "denied": "Let the agent ask for what is allowed, or change the rule{at}.",
    "over_budget": "Raise the cap{at}, or wait until it begins anew.",
    "rate_limited": "Send less at a time, or raise the limit{at}.",
    "pending": "Have it approved, then make the same call again.",
}
_BY_RULE = {"fallback.agent": "Let the agent it names go on with the work, or raise `after`{at}."}
_ENDED = {
    "cut": "The reply ended before it was whole. Ask again; if it happens often, look at timeouts on the way to the "
    "provider.",
    "cancelled": "Whoever made the call gave it up. Allow it more time, or see what it was waiting for.",
    "expired": "The process ended before the call did. Look at how it ended: its log, its memory, a new deployment.",
}
_UPSTREAM = {
    401: "Check the provider's key: it was not accepted.",
    403: "Check what the provider's key may use: it was not allowed this.",
    404: "Check the model's name and the upstream's address.",
    408: "The provider took too long. Allow retries, or name a second upstream to fall back on.",
    429: "The provider's rate or quota is used up. Raise it there, send less at a time, or name a second upstream.",
}
_ANY_4XX = "The provider does not accept the request. Read it: `comptroller runs show RUN --bodies`."
_ANY_5XX = "The provider had trouble. Allow retries, or name a second upstream to fall back on."
_UNREACHED = "The provider was not reached, or did not answer in time. Check address and network, and allow retries."
_BY_KIND = {
    "tool": "Mend the tool, or let the agent handle its failure.",
    "model": _UNREACHED,
    "external": "See what the service called has to say, and what was sent to it; or let the agent handle its failure.",
    "agent": "Look at what the agent did last: nothing it called went wrong.",
    "run": "Look into this inner run.",
}
PROGRAM = "No call of the run went wrong. Look at the program at the place named."
GONE = "The process ended without closing the run. Look at how it ended: its log, its memory, a new deployment."


def remedy_for(step: Step) -> str:
    """What to do about a step that failed or was refused."""
    if step.status in _REFUSED:
        return _BY_RULE.get(step.rule, _REFUSED[step.status]).replace("{at}", f" in {step.place}" if step.place else "")
    if step.status in _ENDED:
        return _ENDED[step.status]
    if step.kind == "model" and step.upstream_status is not None and step.upstream_status >= 400:
        return _UPSTREAM.get(step.upstream_status) or (_ANY_5XX if step.upstream_status >= 500 else _ANY_4XX)
    return _BY_KIND.get(step.kind, _BY_KIND["external"])
