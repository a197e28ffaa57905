"""How the house itself does: who writes the record, how far the books are behind it, room on the disk, hooks."""

import os
import shutil
from pathlib import Path
from typing import Literal

from comptroller.gateway.api.bureau import Bureau
from comptroller.gateway.api.frame import Ask, Route
from comptroller.gateway.api.problem import Problem
from comptroller.gateway.api.rights import READ
from comptroller.gateway.api.shapes import Told
from comptroller.office import webhooks
from comptroller.office.follower import Follower
from comptroller.office.webhooks import Hook, Post
from comptroller.store import folder, wire
from comptroller.store.backward import backward, number_of
from comptroller.store.locks import Lock

FAIL_FREE, WARN_FREE = 256 << 20, 2 << 30
WARN_BEHIND = 50_000  # records
PARTS = {"journal": "journal", "vault": "vault", "books": "books.duckdb", "evidence": "evidence", "usage": "usage"}


class Check(Told):
    """One thing that was looked at, and what to do about it."""

    name: str
    state: Literal["ok", "warn", "fail"]
    found: str
    remedy: str


class Size(Told):
    """What a part of the ledger takes on the disk."""

    part: str
    bytes: int


class HookState(Told):
    """How a hook does."""

    hook: str
    delivered: int
    waiting: int
    failed: int
    given_up: int
    error: str


class Health(Told):
    """`journal` and `books`: the last record of each; what lies between them is not on any page yet."""

    journal: int
    books: int
    checks: list[Check]
    sizes: list[Size]
    disk_free: int
    disk_total: int
    hooks: list[HookState]


def show_health(ask: Ask) -> Health:
    """How it does, now."""
    who, bureau = ask.who, ask.bureau
    if who.customer or who.user or who.workflow:
        raise Problem(403, "not_allowed", "This is about the whole ledger.", "Use a key for the tenant.")
    newest = next(backward(bureau.ledger), None)
    journal = number_of(newest[1]) if newest else 0
    books = int(str(bureau.reader.rows("totals")[0]["sequence"]))
    disk = shutil.disk_usage(bureau.ledger)
    hooks = _hooks(bureau) if who.tenant == bureau.settings.tenant else []
    return Health(
        journal=journal,
        books=books,
        checks=[
            _writer(bureau.ledger),
            _books(journal, books),
            _disk(disk.free),
            _policies(bureau),
            *(_hook(each) for each in hooks if each.error or each.given_up),
        ],
        sizes=[Size(part=part, bytes=_bytes(bureau.ledger / name)) for part, name in PARTS.items()],
        disk_free=disk.free,
        disk_total=disk.total,
        hooks=hooks,
    )


def _check(name: str, state: Literal["ok", "warn", "fail"], found: str, remedy: str = "") -> Check:
    return Check(name=name, state=state, found=found, remedy=remedy)


def _writer(ledger: Path) -> Check:
    """Whoever owns the journal: the gateway where one is up."""
    name = "Writer of the record"
    try:
        address = wire.read_address(ledger)
        wire.connect(address, 2.0).close()
        mine = " (this API)" if address.pid == os.getpid() else ""
        return _check(name, "ok", f"Process {address.pid}{mine} writes the journal and answers.")
    except wire.Gone:
        lock = Lock(ledger / folder.LOCK)
        free = lock.take()
        lock.drop()
    if free:
        return _check(name, "ok", "Nobody writes at the moment; the next call begins it.")
    found = "A process holds the journal and does not answer."
    return _check(name, "warn", found, "It may be starting. If this stays, stop it: the next one recovers.")


def _books(journal: int, books: int) -> Check:
    behind = max(journal - books, 0)
    if behind > WARN_BEHIND:
        found = f"The books are {behind:,} records behind the journal."
        return _check("Books", "warn", found, "They catch up by themselves; if this grows, look at the machine's load.")
    return _check("Books", "ok", f"{behind:,} records behind the journal." if behind else "In step with the journal.")


def _disk(free: int) -> Check:
    found = f"{free / 1e9:,.1f} GB free."
    remedy = "Free some space or move the ledger: calls are refused where nothing can be recorded."
    if free < WARN_FREE:
        return _check("Disk", "fail" if free < FAIL_FREE else "warn", found, remedy)
    return _check("Disk", "ok", found)


def _policies(bureau: Bureau) -> Check:
    book = bureau.book
    if not book.files:
        found, remedy = "None is loaded: every call is allowed.", "Name some under `policies` in comptroller.yaml."
        return _check("Policies", "fail", found, remedy)
    return _check("Policies", "ok", f"{len(book.files):,} files, {book.rules:,} rules, version {book.version[:12]}.")


def _hook(hook: HookState) -> Check:
    state: Literal["warn", "fail"] = "fail" if hook.given_up else "warn"
    found = f"{hook.waiting:,} wait, {hook.given_up:,} given up. Last: {hook.error[:200] or 'no error'}."
    return _check(f"Webhook {hook.hook}", state, found, "Mend its address or its system; `comptroller webhooks ls`.")


def _hooks(bureau: Bureau) -> list[HookState]:
    if not bureau.settings.webhooks:
        return []
    if bureau.post is None or not bureau.post[0].intact():
        known = {hook.name: Hook(hook.name, hook.url, b"", tuple(hook.events)) for hook in bureau.settings.webhooks}
        bureau.post = (Follower(bureau.ledger, *webhooks.KINDS), Post(known))
    follower, post = bureau.post
    if follower.grown:
        post.fold(follower.read())
    return [_state(post, name) for name in post.hooks]


def _state(post: Post, name: str) -> HookState:
    told = post.told.get(name, webhooks.Told())
    return HookState(
        hook=name,
        delivered=told.delivered,
        waiting=sum(hook == name for hook, _ in post.owed),
        failed=told.failed,
        given_up=told.given_up,
        error=told.error,
    )


def _bytes(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if path.is_dir() else 0


ROUTES = (
    Route("GET", "/api/health", "How the house does: writer, books, disk, policies, hooks.", READ, show_health, Health),
)
