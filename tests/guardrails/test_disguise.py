"""Findings behind invisible characters, look-alike letters and encodings."""

import base64
from textwrap import wrap
from urllib.parse import quote

import pytest

from comptroller.guardrails.chain import Chain
from comptroller.guardrails.disguise import behind

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
        "".join(f"&#{ord(c)};" for c in KEY),
        "".join(f"\\u{{{ord(c):x}}}" for c in KEY),
        "".join(f"\\U{ord(c):08x}" for c in KEY),
        "".join(chr(0xE0000 + ord(c)) for c in f"the key is {KEY} and no other"),  # tags: nobody sees them
        "\u0301".join(KEY),
        "\u2800".join(KEY),
        KEY.replace("A", "\u0391").replace("M", "\u039c").replace("N", "\u039d"),  # Greek
        " ".join(KEY),
        "-".join(KEY),
        ", ".join(f"0x{ord(c):02x}" for c in KEY),
        "-".join(f"{ord(c):02x}" for c in f"the key is {KEY} and no other"),
        "\u200b".join(KEY.encode().hex()),
        "\u2060".join(base64.b64encode(f"the key is {KEY} and no other".encode()).decode()),
        "\r\n".join(wrap(base64.b64encode(f"the key is {KEY} and no other".encode()).decode(), 20)),
        "\n    ".join(wrap(base64.b64encode(f"the key is {KEY} and no other".encode()).decode(), 24)),
        base64.b64encode(f"the key is {KEY} and no other".encode("utf-16-le")).decode(),
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


def test_decoys_before_it_do_not_hide_it(chain: Chain) -> None:
    decoys = [base64.b64encode(f"harmless words number {n}".encode()).decode() for n in range(300)]
    escapes = ["a%20b"] * 300
    hidden = base64.b64encode(f"the key is {KEY} and no other".encode()).decode()
    assert chain.inspect(" ".join([*decoys, *escapes, hidden]), PLAN).findings  # type: ignore[arg-type]
    escaped = "".join(f"%{ord(c):02x}" for c in KEY)
    assert chain.inspect(" ".join([*escapes, escaped]), PLAN).findings  # type: ignore[arg-type]


def test_what_lies_behind_is_looked_at_within_the_time_of_the_text() -> None:
    looked = []

    def tick() -> None:
        looked.append(1)
        if len(looked) > 3:
            raise TimeoutError

    pieces = " ".join(base64.b64encode(f"harmless words number {n}".encode()).decode() for n in range(9))
    with pytest.raises(TimeoutError):
        behind(pieces, lambda part: [], tick)


@pytest.mark.parametrize(
    "text",
    [
        "1 2 3 4 5 6 7 8 9 1 0 1 1 1 2 1 3 1 4 1 5 4 0 1 2 8 8 8 8 8 8 8 8 1 8 8 1",
        "a b c d e f g h i j k l m n o p q r s t u v w x y z",
        "550e8400-e29b-41d4-a716-446655440000 and 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49",
        "e\u0301te\u0301 a\u0300 la plage, deja\u0300 vu",
    ],
)
def test_tables_alphabets_and_accents_hide_nothing(chain: Chain, text: str) -> None:
    assert chain.inspect(text, PLAN).findings == ()  # type: ignore[arg-type]
