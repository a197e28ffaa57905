"""What a chat completion used, from the many ways compatible servers report it."""

from typing import Any

from comptroller.core.call import Usage
from comptroller.dialects.tree import count_of, dict_of, text_of

TIERS = ("batch", "flex", "priority")


def tier_of(node: object) -> str:
    """The service tier, where it changes the price."""
    return text_of(node) if text_of(node) in TIERS else ""


def usage_node(node: dict[str, Any]) -> dict[str, Any] | None:
    """Where a completion or an event of one reports its usage (Groq puts it into a field of its own)."""
    found = node.get("usage") or dict_of(node.get("x_groq")).get("usage")
    return found if isinstance(found, dict) and found else None


def read_usage(node: dict[str, Any]) -> Usage | None:
    """The usage in a completion or an event; parts never count more than their totals."""
    found = usage_node(node)
    if found is None:
        return None
    sent, got = dict_of(found.get("prompt_tokens_details")), dict_of(found.get("completion_tokens_details"))
    total_in, total_out = count_of(found.get("prompt_tokens")), count_of(found.get("completion_tokens"))
    # Some servers leave reasoning out of the completion's count, some say only the sum.
    total_out = max(total_out, count_of(found.get("total_tokens")) - total_in)
    if not total_in and not total_out:  # nulls or zeros say nothing: better estimated than free
        return None
    cached = count_of(sent.get("cached_tokens")) or count_of(found.get("prompt_cache_hit_tokens"))
    cached = min(cached, total_in)
    audio = min(count_of(sent.get("audio_tokens")), total_in)
    return Usage(
        input=total_in,
        output=total_out,
        cache_read=cached,
        cache_write_5m=min(count_of(sent.get("cache_write_tokens")), total_in - cached),
        reasoning=min(count_of(got.get("reasoning_tokens")), total_out),
        audio_input=audio,
        audio_output=min(count_of(got.get("audio_tokens")), total_out),
        image_input=min(count_of(sent.get("image_tokens")), total_in - audio),
        image_output=min(count_of(got.get("image_tokens")), total_out),
        tier=tier_of(node.get("service_tier")),
    )
