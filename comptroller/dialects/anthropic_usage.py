"""What an Anthropic message used: its counts leave cached input out of the input, ours contain it."""

from typing import Any

from comptroller.core.call import Usage
from comptroller.dialects.tree import count_of, dict_of, list_of, text_of

TIERS = ("batch", "priority", "fast")
COUNTS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


def merged(before: dict[str, Any], after: object) -> dict[str, Any]:
    """Counts of a stream are cumulative: the later word replaces the earlier, null says nothing."""
    return {**before, **{name: value for name, value in dict_of(after).items() if value is not None}}


def read_usage(node: object) -> Usage | None:
    """The usage of a message; None where it says nothing."""
    found = _with_compaction(dict_of(node))
    plain, output = count_of(found.get("input_tokens")), count_of(found.get("output_tokens"))
    read, written = count_of(found.get("cache_read_input_tokens")), count_of(found.get("cache_creation_input_tokens"))
    total = plain + read + written
    if not total and not output:
        return None
    split = dict_of(found.get("cache_creation"))
    hour = min(count_of(split.get("ephemeral_1h_input_tokens")), written)
    details = dict_of(found.get("output_tokens_details"))
    thinking = count_of(details.get("thinking_tokens")) or count_of(details.get("reasoning_tokens"))
    tier = "fast" if found.get("speed") == "fast" else text_of(found.get("service_tier"))
    return Usage(
        input=total,
        output=output,
        cache_read=read,
        cache_write_5m=written - hour,
        cache_write_1h=hour,
        reasoning=min(thinking, output),
        searches=count_of(dict_of(found.get("server_tool_use")).get("web_search_requests")),
        tier=tier if tier in TIERS else "",
    )


def _with_compaction(found: dict[str, Any]) -> dict[str, Any]:
    """The usage with the summing up of its conversation in it: that is billed, and the totals leave it out."""
    rounds = [dict_of(each) for each in list_of(found.get("iterations"))]
    extra = [each for each in rounds if each.get("type") == "compaction"]
    if not extra:
        return found
    return {**found, **{name: sum(count_of(each.get(name)) for each in (found, *extra)) for name in COUNTS}}
