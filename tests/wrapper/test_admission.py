"""What a refusal for want of room says."""

import pytest

from comptroller.core.call import Request
from comptroller.core.clock import FrozenClock
from comptroller.core.facts import Line, Shortfall
from comptroller.core.verdict import Cap
from comptroller.wrapper.admission import short_details, short_reason
from comptroller.wrapper.estimate import may_be_media

NOW = FrozenClock().now_ns()


@pytest.mark.parametrize(
    ("unit", "every", "said"),
    [
        ("calls", "day", "cap of 1 call today (spent 1 call, held 0 calls; this call may take 1 call). Raise it"),
        ("tokens", "hour", "cap of 1 token this hour (spent 1 token, held 0 tokens; this call may take 1 token)."),
        ("USD", "month", "(spent 0.000000001 USD, held 0.00 USD; this call may take 0.000000001 USD). Raise it in p:3"),
        ("calls", "", "cap of 1 call (spent"),
    ],
)
def test_a_refusal_for_want_of_room_reads_as_people_speak(unit: str, every: str, said: str) -> None:
    cap = Cap("customer", "acme", every, "UTC", unit, 1, "deny", "p:3")
    told = short_reason(cap, Shortfall(Line("k", unit, 1, 1), 1, 0), NOW)
    assert said in told
    assert told.startswith("customer 'acme' would pass its cap of")


@pytest.mark.parametrize(("asked", "vain"), [(2, True), (1, False)])
def test_a_call_larger_than_the_whole_cap_is_not_told_to_wait(asked: int, vain: bool) -> None:
    cap = Cap("key", "k", "day", "UTC", "USD", 1, "deny", "p:3")
    short = Shortfall(Line("k", "USD", asked, 1), 0, 0)
    told = short_reason(cap, short, NOW)
    assert ("wait until" in told) is not vain
    assert ("Raise it in p:3, or lower `max_tokens`; waiting" in told) is vain
    assert short_details(cap, short, NOW)["remedy"] == f"Raise the cap in p:3{', or lower `max_tokens`' * vain}."


@pytest.mark.parametrize(
    ("raw", "model", "media"),
    [
        (b'{"messages":[{"content":"caf\\u00e9"}]}', "gpt-4o", False),
        (b'{"modalities":["text","audio"]}', "gpt-4o", True),
        (b'{"modalities":["text","\\u0061udio"]}', "gpt-4o", True),
        (b'{"modalities":["text","a\\u0075dio"]}', "gpt-4o", True),
        (b'{"contents":[]}', "gemini-2.5-flash-image", True),
    ],
)
def test_sound_and_pictures_are_held_for_however_they_are_asked_for(raw: bytes, model: str, media: bool) -> None:
    request = Request(model=model, stream=False, max_tokens=None, parts=[], messages=[], raw=raw)
    assert may_be_media(request, model) is media
