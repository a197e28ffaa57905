"""Findings behind invisible characters, look-alike letters and encodings."""

import base64
from urllib.parse import quote

import pytest

from comptroller.guardrails.chain import Chain

KEY = "AKIA" + "QYLPMN5HFIQR7BBB"  # has the form of a key and opens nothing
PLAN = {"secrets": "redact", "privacy": "redact"}


@pytest.fixture(scope="module")
def chain() -> Chain:
    return Chain()


@pytest.mark.parametrize(
    "written",
    [
        "\u200b".join(KEY),
        "\u2060" + KEY[:8] + "\u202e" + KEY[8:],
        KEY.replace("A", "\u0410"),  # Cyrillic
        "".join(chr(ord(c) + 0xFEE0) for c in KEY),  # full width
        base64.b64encode(f"the key is {KEY} and no other".encode()).decode(),
        f"the key is {KEY} and no other".encode().hex(),
        "".join(f"%{ord(c):02x}" for c in KEY),
        quote(base64.b64encode(f"the key is {KEY} and no other".encode()).decode(), safe=""),
    ],
)
def test_a_secret_in_disguise_is_found_and_the_disguise_redacted(chain: Chain, written: str) -> None:
    found = chain.inspect(f"Please use {written} for it.", PLAN)  # type: ignore[arg-type]
    assert {finding.guard for finding in found.findings} == {"secrets"}
    assert written not in found.text
    assert found.text.startswith("Please use ")
    assert found.text.endswith(" for it.")


def test_a_disguise_inside_json_is_found_and_the_rest_stays_json(chain: Chain) -> None:
    hidden = base64.b64encode(f"the key is {KEY} and no other".encode()).decode()
    found = chain.inspect_json(f'{{"a": 1, "note": "{hidden}"}}', PLAN)  # type: ignore[arg-type]
    assert found.findings
    assert hidden not in found.text
    assert found.text.startswith('{"a": 1, "note": "')


@pytest.mark.parametrize(
    "text",
    [
        "Привет, как дела? Договор подписан 5 мая, счёт оплачен.",
        "Das ist ein ganz normaler Satz \u2013 mit Gedankenstrich und \u201eAnf\u00fchrungszeichen\u201c.",
        "def handle_incoming_webhook_request(self, response_payload_dictionary): return 100 % 7",
        "https://example.com/a%20b/internationalization?x=abcdefghijklmnopqrstuvwxyz0123456789",
        "👩‍👩‍👧 family emoji and 日本語のテキスト",
    ],
)
def test_ordinary_texts_of_any_script_hide_nothing(chain: Chain, text: str) -> None:
    assert chain.inspect(text, PLAN).findings == ()  # type: ignore[arg-type]
