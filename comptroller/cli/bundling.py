"""`comptroller policy bundle` and `verify`: policies signed, and checked before anybody goes by them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import typer

from comptroller.cli import screen
from comptroller.cli.main import Misuse
from comptroller.cli.place import ledger_of
from comptroller.cli.policy import load_named
from comptroller.core.clock import SYSTEM
from comptroller.core.jws import Forged
from comptroller.core.settings import load_settings
from comptroller.office.signing import Signer
from comptroller.policies.book import PolicyFile
from comptroller.policies.trial import run_tests
from comptroller.wrapper import bundles
from comptroller.wrapper.shelf import SUFFIX


def bundle(paths: Sequence[str] | None, out: str, ledger: str, as_json: bool) -> None:
    """Sign what loads and passes its own tests."""
    if Path(out).suffix != SUFFIX:
        raise Misuse(f"--out {out!r}: a bundle is known by its name. Call it {Path(out).stem}{SUFFIX}.")
    book = load_named(paths, as_json)
    failed = [outcome for outcome in run_tests(book) if not outcome.passed]
    if failed:
        for outcome in failed:
            screen.say(screen.clean(f"FAIL  {outcome.place}  {outcome.why}"))
        screen.say("Nothing was signed: tests inside these files fail.")
        raise typer.Exit(1)
    signer = Signer.open(ledger_of(ledger))
    files = [PolicyFile(_within(file.path), file.digest, file.text) for file in book.files]
    Path(out).write_text(bundles.make(files, signer, SYSTEM.now_ns()), encoding="ascii")
    if as_json:
        screen.say_json({"out": out, "version": book.version, "rules": book.rules, "kid": signer.kid})
    else:
        screen.say(f"{screen.clean(out)}: version {book.version}, {screen.count(book.rules, 'rule')}")
        screen.say(f"signed with {signer.kid}; `comptroller receipts key` writes the public key")


def verify(file: str, keys: Sequence[str] | None, as_json: bool) -> None:
    """Check a bundle against trusted keys."""
    trusted = bundles.keys_of(keys or load_settings().policy_keys)
    if not trusted:
        raise Misuse("No key is trusted. Name public keys with --key, or under `policy_keys` in comptroller.yaml.")
    if not Path(file).is_file():
        raise Misuse(f"{file}: there is no such file. Name the bundle.")
    try:
        found = bundles.open_bundle(file, bundles.read_text(Path(file)), trusted)
    except Forged as forged:
        if as_json:
            screen.say_json({"ok": False, "fault": str(forged)})
        else:
            screen.say(f"{screen.status('fail')}  {screen.clean(forged)}")
        raise typer.Exit(1) from None
    made = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=found.made // 1_000)
    files = [{"path": one.path, "digest": one.digest} for one in found.files]
    if as_json:
        screen.say_json({"ok": True, "version": found.version, "kid": found.kid, "made": made, "files": files})
        return
    screen.say(f"{screen.status('ok')}  version {found.version}, signed with {found.kid} on {screen.moment(made)} UTC")
    for one in found.files:
        screen.say(f"  {screen.clean(one.path)}  sha256 {screen.clean(one.digest)}")


def _within(path: str) -> str:
    """A name that does not tell where the file lay; packs keep theirs."""
    return path if path.startswith("pack:") else Path(path).name
