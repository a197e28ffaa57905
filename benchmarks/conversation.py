"""Bytes kept over one long conversation: its text once, so they grow with its turns and not with their square."""

import argparse
import os
import tempfile
from pathlib import Path

from benchmarks.overhead import answer, prose
from benchmarks.table import table


def main() -> None:
    """Hold a conversation through a wrapped client and weigh vault and journal every quarter of the way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=200)
    turns = parser.parse_args().turns
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    with tempfile.TemporaryDirectory() as folder:
        rows = _converse(Path(folder) / "ledger", turns)
    table(
        f"one conversation of {turns} turns, 1 KB a message",
        ["turns", "sent KB", "vault KB", "vault KB a turn", "journal KB", "journal KB a turn"],
        rows,
    )


def _converse(path: Path, turns: int) -> list[list[str]]:
    from openai import OpenAI

    import comptroller as ct
    from comptroller.testing.upstream import Upstream

    rows, sent, messages = [], 0, []
    with Upstream(answer, keep=10) as up, ct.open(path), ct.run("chat", customer="acme"):
        client = ct.wrap(OpenAI(base_url=f"{up.url}/v1", api_key="none"))
        for turn in range(1, turns + 1):
            messages.append({"role": "user", "content": prose(1024, turn)})
            reply = client.chat.completions.create(model="gpt-4o-mini", max_tokens=400, messages=messages)
            sent += sum(len(str(message["content"])) for message in messages)
            messages.append({"role": "assistant", "content": reply.choices[0].message.content})
            if turn % max(1, turns // 4) == 0:
                rows.append([turn, sent, _size(path / "vault"), _size(path / "journal")])
    return [
        [
            str(n),
            f"{sent / 1e3:,.0f}",
            f"{vault / 1e3:,.0f}",
            f"{vault / n / 1e3:.2f}",
            f"{log / 1e3:,.0f}",
            f"{log / n / 1e3:.2f}",
        ]
        for n, sent, vault, log in rows
    ]


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


if __name__ == "__main__":
    main()
