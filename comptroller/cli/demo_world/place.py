"""Where the world is kept: beside the journal lie the policies, outcome types and contracts that it goes by."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import yaml

from comptroller.cli.demo_world.script import FOLDER

NAME = "demo"  # of the folder within the ledger
MARK = "world.json"
REFUND_DESK = FOLDER.with_name("refund_desk") / "policies.yaml"
HEAD = "# Written by `comptroller demo`. Change a policy here while it runs: it counts from the next call on.\n"


class World(msgspec.Struct):
    """What is known of a world between two starts."""

    seed: int
    began_ns: int
    filled: bool = False
    runs: dict[str, str] = {}  # those worth looking at, by what they show


def folder_of(ledger: Path) -> Path:
    """Where a ledger keeps its world."""
    return ledger / NAME


def known(ledger: Path) -> World | None:
    """The world of a ledger; None where it has none."""
    try:
        return msgspec.json.decode((folder_of(ledger) / MARK).read_bytes(), type=World)
    except (OSError, msgspec.MsgspecError):
        return None


def keep(ledger: Path, world: World) -> None:
    """Remember it."""
    (folder_of(ledger) / MARK).write_bytes(msgspec.json.format(msgspec.json.encode(world)))


def settle(ledger: Path, began_ns: int) -> None:
    """Lay out policies, outcome types, contracts and settings."""
    folder = folder_of(ledger)
    shutil.copytree(FOLDER / "policies", folder / "policies", dirs_exist_ok=True)
    shutil.copy(REFUND_DESK, folder / "policies" / "refund-desk.yaml")
    shutil.copytree(FOLDER / "outcomes", folder / "outcomes", dirs_exist_ok=True)
    began = datetime.fromtimestamp(began_ns // 1_000_000_000, UTC)
    text = (FOLDER / "contracts.yaml").read_text(encoding="utf-8").replace("FIRST", f"{began:%Y-%m}-01")
    (folder / "contracts.yaml").write_text(text, encoding="utf-8")
    named = {"ledger": "..", **_named(Path())}
    (folder / "comptroller.yaml").write_text(HEAD + yaml.safe_dump(named, sort_keys=False), encoding="utf-8")


def settings(ledger: Path, model: str) -> dict[str, Any]:
    """The settings of the world; all models are the scripted one."""
    upstreams = [
        {"name": "openai", "format": "openai", "url": f"{model}/v1"},
        {"name": "anthropic", "format": "anthropic", "url": model},
        {"name": "gemini", "format": "gemini", "url": model},
    ]
    return {**_named(folder_of(ledger)), "upstreams": upstreams, "gateway": {"drain_s": 0}}


def _named(folder: Path) -> dict[str, Any]:
    return {
        "policies": [str(folder / "policies")],
        "outcomes": [str(folder / "outcomes")],
        "contracts": [str(folder / "contracts.yaml")],
        "fx": {"EUR/USD": "1.08", "USD/EUR": "0.93"},
    }
