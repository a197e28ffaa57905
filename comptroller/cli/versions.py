"""Policy versions as a ledger keeps them: which were in force since when, and what each of them said."""

from typing import Any

from comptroller.cli import screen
from comptroller.cli.main import Misuse
from comptroller.cli.place import ledger_of, reading
from comptroller.store.reader import Reader

Row = dict[str, Any]


def show(version: str, limit: int, ledger: str, as_json: bool) -> None:
    """One version with its files, or without a version the list of all."""
    with reading(ledger_of(ledger)) as reader:
        if version:
            files = reader.rows("policy_files", version=_meant(reader, version))
            told = {"version": files[0]["version"], "since": files[0]["since"], "rules": files[0]["rules"]}
            told["files"] = [{name: file[name] for name in ("path", "digest", "text")} for file in files]
        else:
            listed = reader.rows("policy_versions", limit=limit)
    if as_json:
        screen.say_json(told if version else listed)
    elif version:
        _write(told)
    else:
        _list(listed)


def _meant(reader: Reader, version: str) -> str:
    found = [str(row["version"]) for row in reader.rows("policy_versions", prefix=version, limit=4)]
    if version in found:
        return version
    if len(found) == 1:
        return found[0]
    if found:
        raise Misuse(f"{version!r} is the beginning of more than one version ({', '.join(found[:3])}). Say more of it.")
    raise Misuse(
        f"{reader.ledger}: no policy version begins with {version!r}. List them with `comptroller policy show`. "
        "A version without any policy file has no text."
    )


def _write(told: Row) -> None:
    rules = screen.count(told["rules"], "rule")
    screen.say(f"policy {screen.clean(told['version'])}, {rules}, in force since {screen.moment(told['since'])} UTC")
    for file in told["files"]:
        screen.say(f"\n# {screen.clean(file['path'])}  sha256 {screen.clean(file['digest'])}")
        screen.say(screen.clean(file["text"], lines=True).rstrip("\n"))


def _list(rows: list[Row]) -> None:
    if not rows:
        screen.say("No policies were in force here yet.")
        return
    heads = ("VERSION", "SINCE (UTC)", "RULES", "FILES")
    cells = [
        [
            screen.clean(row["version"]),
            screen.moment(row["since"]),
            str(row["rules"]),
            screen.short(", ".join(row["paths"])),
        ]
        for row in rows
    ]
    screen.table(heads, cells, right=(2,))
