import hashlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comptroller.core.facts import Fact
from comptroller.store import segment

TEXT = st.text()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner)
)
FACTS = st.builds(Fact, TEXT, TEXT, st.integers(0, 2**62), TEXT, TEXT, st.dictionaries(TEXT, JSON))


@given(FACTS)
def test_a_fact_comes_back_as_it_was_written(fact: Fact) -> None:
    clean, middle = segment.encode(fact)
    stored, _ = segment.line(1, "", middle)
    assert segment.parse(stored).fact() == clean == segment.fact_of(middle)
    assert stored.count(b"\n") == 1


def test_a_lone_surrogate_is_written_as_its_escape() -> None:
    clean, middle = segment.encode(Fact("claim", "i", 1, "r", "c", {"a\ud800": ["\udfff", {"b": "ok"}], "n": 2}))
    assert clean.data == {"a\\ud800": ["\\udfff", {"b": "ok"}], "n": 2}
    assert segment.fact_of(middle) == clean


def test_amounts_beyond_64_bits_stay_whole() -> None:
    _, middle = segment.encode(Fact("claim", "i", 1, data={"nanos": 10**30}))
    assert segment.fact_of(middle).data == {"nanos": 10**30}


def test_the_hash_covers_the_hash_before_and_every_byte_stored() -> None:
    _, middle = segment.encode(Fact("claim", "i", 1))
    stored, digest = segment.line(7, "before", middle)
    hashed = b"before" + stored[: stored.rindex(b',"h":"')]
    assert digest == hashlib.sha256(hashed).hexdigest() == segment.link("before", stored[:-1])
    assert segment.hash_of(stored[:-1]) == digest


@pytest.mark.parametrize("stored", [b"", b"{}", b'{"n":1,"h":"short"}', b"\xff" * 80])
def test_what_is_no_record_carries_no_hash(stored: bytes) -> None:
    assert segment.hash_of(stored) == ""
    with pytest.raises((msgspec.MsgspecError, UnicodeDecodeError)):
        segment.parse(stored)
