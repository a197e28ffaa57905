"""What people, programs and machines write all day: no guard takes it for a secret, and no pack refuses it."""

import base64
import hashlib
import json
import zlib
from pathlib import Path
from random import Random
from uuid import UUID

import pytest

from comptroller.core.call import Identity
from comptroller.core.verdict import Case
from comptroller.guardrails.chain import Chain
from comptroller.policies.load import load_policies, packs

HERE = Path(__file__).parent
BLOCKS = (HERE / "harmless_blocks.txt").read_text(encoding="utf-8").rstrip("\n").split("\n----\n")
LINES = (HERE / "harmless.txt").read_text(encoding="utf-8").splitlines()
PACKS = load_policies([f"pack:{name}" for name in packs()])
CHAIN = Chain()


def picture(rnd: Random) -> str:
    """A small picture as pages carry them."""
    pixels = b"".join(b"\0" + rnd.randbytes(12) for _ in range(rnd.randrange(4, 40)))
    data = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + rnd.randbytes(17) + b"\0\0\0\x20IDAT" + zlib.compress(pixels)
    return f"![chart](data:image/png;base64,{base64.b64encode(data).decode()})"


def listing(rnd: Random) -> str:
    """Ids and digests in all their shapes."""
    ids = [str(UUID(int=rnd.getrandbits(128))), rnd.randbytes(12).hex(), hashlib.sha256(rnd.randbytes(8)).hexdigest()]
    return f"run {ids[0]} of object {ids[1]} has digest sha256:{ids[2]}, short {ids[2][:7]}"


def row(rnd: Random) -> str:
    """A record of a shop."""
    return json.dumps(
        {
            "order": rnd.randrange(10**9),
            "sku": f"{rnd.choice('ABCDEFGH')}{rnd.randrange(10**4):04}-{rnd.randrange(10**3):03}",
            "at": f"2026-{rnd.randrange(1, 13):02}-{rnd.randrange(1, 29):02}T{rnd.randrange(24):02}:00:00Z",
            "total": f"{rnd.randrange(10**6) / 100:.2f}",
            "cursor": base64.b64encode(json.dumps({"after": rnd.randrange(10**12)}).encode()).decode(),
            "etag": f'W/"{rnd.getrandbits(64):x}"',
        }
    )


def log(rnd: Random) -> str:
    """A line of a log."""
    return (
        f"{rnd.randrange(10**10):010}.{rnd.randrange(10**6):06} pid={rnd.randrange(65536)} "
        f"trace={rnd.getrandbits(128):032x} span={rnd.getrandbits(64):016x} path=/v1/items/{rnd.randrange(10**6)}"
        f"?page={rnd.randrange(99)}&q=red%20shoes status=200 key=cache:{rnd.randrange(9**9)}"
    )


def made() -> list[str]:
    """The same in every run."""
    rnd = Random(2026)
    return [make(rnd) for make in (picture, listing, row, log) for _ in range(100)]


TEXTS = [*BLOCKS, *made()]


def test_there_is_enough_of_it() -> None:
    assert len(LINES) + len(BLOCKS) >= 290
    assert sum(not block.isascii() for block in BLOCKS) >= 20


def test_no_secret_is_found_in_it() -> None:
    found = {text: [f.kind for f in CHAIN.inspect(text, {"secrets": "note"}).findings] for text in TEXTS}
    assert {text: kinds for text, kinds in found.items() if kinds} == {}


@pytest.mark.parametrize("way", ["in", "out"])
def test_no_guard_of_a_pack_refuses_it(way: str) -> None:
    plan = PACKS.guards(Identity(), way)  # type: ignore[arg-type]
    assert plan
    assert [text for text in TEXTS if CHAIN.inspect(text, plan).action in ("deny", "ask")] == []
    assert [text for text in TEXTS if CHAIN.inspect_json(json.dumps({"text": text}), plan).action == "deny"] == []


def test_no_rule_of_a_pack_denies_it() -> None:
    who, known = Identity(agent="helper", customer="acme", run="r"), {"run.tainted": False, "run.labels": ["trusted"]}

    def denied(text: str) -> bool:
        cases = [
            Case("model", who, text=lambda: text, max_tokens=500, known=known),
            Case("reply", who, text=lambda: text, reply_text=lambda: text, max_tokens=500, known=known),
            Case("result", who, kind="tool", tool="read_page", text=lambda: text, known=known),
            Case("tool", who, kind="tool", tool="search", args={"query": text}, known=known),
        ]
        return any(PACKS.decide(case).action == "deny" for case in cases)

    assert [text for text in TEXTS if denied(text)] == []


@pytest.mark.parametrize("size", [7, 16])
def test_it_leaves_a_stream_as_it_came(size: int) -> None:
    for text in TEXTS[::3]:
        window = CHAIN.window({"secrets": "deny"})
        pieces = [window.push(text[at : at + size]) for at in range(0, len(text), size)]
        assert "".join(pieces) + window.finish() == text
