"""JWS: what others read, what they wrote, and that no character can change unseen."""

import json

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comptroller.core import jws
from comptroller.core.jws import Forged
from comptroller.office.signing import Signer

KEY = Signer(b"k" * 32)
KIND = "note+jws"
TEXT = jws.sign(b'{"a":1}', KEY, KIND)


def test_another_library_reads_what_we_sign() -> None:
    read = jwt.api_jws.decode_complete(TEXT, key=KEY.public._key, algorithms=["EdDSA"])
    assert read["payload"] == b'{"a":1}'
    assert read["header"] == {"alg": "EdDSA", "kid": KEY.kid, "typ": KIND}


def test_we_read_what_another_library_signs() -> None:
    text = jwt.api_jws.encode(b"hello", KEY._key, "EdDSA", headers={"kid": KEY.kid, "typ": KIND})
    assert jws.read(text, KIND).prove(KEY.public) == b"hello"


@settings(max_examples=300)
@given(st.data())
def test_a_changed_character_is_found(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(TEXT) - 1))
    other = data.draw(st.characters(exclude_characters=TEXT[at], max_codepoint=0x17F))
    with pytest.raises(Forged):
        jws.read(TEXT[:at] + other + TEXT[at + 1 :], KIND).prove(KEY.public)


@given(st.text(max_size=80))
def test_anything_else_is_refused_in_words(text: str) -> None:
    with pytest.raises(Forged):
        jws.read(text, KIND).prove(KEY.public)


def test_another_key_is_named() -> None:
    with pytest.raises(Forged, match=KEY.kid):
        jws.read(TEXT, KIND).prove(Signer(b"o" * 32).public)


@pytest.mark.parametrize("header", [{"alg": "none"}, {"alg": "HS256"}, {"alg": "EdDSA", "crit": ["b64"]}, {}, []])
def test_no_other_way_of_signing_is_taken(header: object) -> None:
    said = {**header, "kid": KEY.kid, "typ": KIND} if isinstance(header, dict) else header
    head = f"{jws._encode(json.dumps(said).encode())}.{jws._encode(b'x')}"
    with pytest.raises(Forged):
        jws.read(f"{head}.{jws._encode(KEY.sign(head.encode()))}", KIND).prove(KEY.public)


def test_one_kind_of_document_does_not_pass_for_another() -> None:
    with pytest.raises(Forged, match="other"):
        jws.read(TEXT, "other+jws")


def test_a_detached_signature_holds_for_its_payload_only() -> None:
    text = jws.detached(b"manifest", KEY, KIND)
    assert jws.read(jws.attach(text, b"manifest"), KIND).prove(KEY.public) == b"manifest"
    with pytest.raises(Forged):
        jws.read(jws.attach(text, b"manifesto"), KIND).prove(KEY.public)
