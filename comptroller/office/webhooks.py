"""Webhooks: every transition of an outcome, an invoice and an approval told to those who asked, at least once, signed.

What is owed to whom follows from the journal: a transition is owed from the fact that tells it until the fact that it
was delivered, or given up. So nothing is lost by a crash; at worst a letter goes out twice, under the same id.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, Protocol
from urllib.parse import urlsplit

from comptroller.core.clock import Clock
from comptroller.core.errors import SettingsError
from comptroller.core.facts import (
    ASK,
    INVOICE,
    OUTCOME,
    WEBHOOK_DELIVERED,
    WEBHOOK_ENROLLED,
    WEBHOOK_FAILED,
    WEBHOOK_GIVEN_UP,
    Fact,
)
from comptroller.core.settings import Webhook
from comptroller.office.approval_news import Newsroom
from comptroller.office.post import Answer, Letter, post_all, secret_of
from comptroller.office.wording import body_of, headers_of
from comptroller.policies.approvals import FOLDED as ASKED

KINDS = (OUTCOME, INVOICE, ASK, "approval.", "webhook.")  # how the kinds of the facts begin that this folds
SECOND = 1_000_000_000
# How long after each failure it is tried again; then it is given up, after three days in all.
PAUSES_S = (5, 30, 120, 600, 3600, 3 * 3600, 8 * 3600, 12 * 3600, 24 * 3600, 24 * 3600)
AT_ONCE = 20
SEEN = 10_000  # facts remembered, so that one told twice is owed once
_TOLD = ("actor", "attestor", "method", "evidence")
_AMOUNTS = ("amount", "degree", "fee", "invoice", "because", "reason", "of", "price")
_INVOICE = ("number", "customer", "tenant", "payment", "credit", "because")
_DOCUMENT = ("period", "currency", "totals", "issued", "due", "digest")


class Ledger(Protocol):
    """What webhooks need of a ledger."""

    def sync(self, fact: Fact) -> None: ...


@dataclass(frozen=True, slots=True)
class Hook:
    """Who wants to be told of what."""

    name: str
    url: str
    secret: bytes = b""
    events: tuple[str, ...] = ("*",)  # patterns such as `outcome.*`
    format: str = "json"  # one of wording.FORMATS
    sender: str = ""  # of a mail
    to: str = ""

    def wants(self, event: str) -> bool:
        return any(fnmatchcase(event, pattern) for pattern in self.events)


@dataclass(slots=True)
class Owed:
    """A letter that has not arrived."""

    id: str
    hook: str
    body: bytes
    event: str
    tries: int = 0
    next_ns: int = 0
    error: str = ""


@dataclass(slots=True)
class Told:
    """How a hook does."""

    delivered: int = 0
    failed: int = 0
    given_up: int = 0
    error: str = ""  # of the last attempt, where it failed


@dataclass(slots=True)
class Post:
    """What is owed to whom: the fold of facts. Facts that came before a hook was enrolled are not owed to it."""

    hooks: Mapping[str, Hook]
    owed: dict[tuple[str, str], Owed] = field(default_factory=dict)  # by hook and letter
    enrolled: dict[str, None] = field(default_factory=dict)
    told: dict[str, Told] = field(default_factory=dict)
    _about: dict[str, dict[str, object]] = field(default_factory=dict)  # outcomes that live, by key
    _seen: dict[str, None] = field(default_factory=dict)  # the last facts that were told
    _newsroom: Newsroom = field(default_factory=Newsroom)

    def fold(self, facts: Iterable[Fact]) -> "Post":
        """Take these facts in, in order; again, they change nothing."""
        for fact in facts:
            if fact.kind in (OUTCOME, INVOICE):
                event, data = _told(fact, self._about)
                self._happened(fact, fact.id, event, data)
            elif fact.kind in ASKED:
                for letter, event, data in self._newsroom.news(fact):
                    self._happened(fact, letter, event, data)
            elif fact.kind == WEBHOOK_ENROLLED:
                self.enrolled[str(fact.data.get("hook"))] = None
            else:
                self._tried(fact)
        return self

    def due(self, now_ns: int) -> list[Owed]:
        """What is to be sent now, the oldest first."""
        return [owed for owed in self.owed.values() if owed.next_ns <= now_ns and owed.hook in self.hooks]

    def _happened(self, fact: Fact, letter: str, event: str, data: dict[str, object]) -> None:
        if not event or letter in self._seen:
            return
        self._seen[letter] = None
        while len(self._seen) > SEEN:
            del self._seen[next(iter(self._seen))]
        bodies: dict[tuple[str, str, str], bytes] = {}
        for name in self.enrolled:
            hook = self.hooks.get(name)
            if hook is not None and hook.wants(event):
                form = (hook.format, hook.sender, hook.to)
                if form not in bodies:
                    bodies[form] = body_of(hook.format, letter, event, _moment(fact.at), data, hook.sender, hook.to)
                self.owed[name, letter] = Owed(letter, name, bodies[form], event)

    def _tried(self, fact: Fact) -> None:
        said = fact.data
        hook, letter = str(said.get("hook")), str(said.get("letter"))
        owed, told = self.owed.get((hook, letter)), self.told.setdefault(hook, Told())
        if owed is None or _whole(said.get("attempt")) <= owed.tries:
            return
        if fact.kind == WEBHOOK_FAILED:
            told.failed += 1
            told.error = owed.error = str(said.get("error", ""))
            owed.tries, owed.next_ns = _whole(said.get("attempt")), _whole(said.get("next"))
            return
        del self.owed[hook, letter]
        if fact.kind == WEBHOOK_DELIVERED:
            told.delivered += 1
            told.error = ""
        else:
            told.given_up += 1
            told.error = str(said.get("error", ""))


class Courier:
    """Delivers what is owed. One at a time for a ledger; two would send some letters twice, and harm nobody."""

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        hooks: Sequence[Hook],
        facts: Callable[[], Iterable[Fact]],
        send: Callable[[Sequence[Letter], int], list[Answer]] = post_all,
    ) -> None:
        self._ledger, self._clock, self._facts, self._send = ledger, clock, facts, send
        self.post = Post({hook.name: hook for hook in hooks})

    def catch_up(self) -> None:
        """Read on in the journal, and enrol the hooks that are new: they are told of what comes from now on."""
        self.post.fold(self._facts())
        for name, hook in self.post.hooks.items():
            if name not in self.post.enrolled:
                data: dict[str, object] = {"hook": name, "url": _origin(hook.url), "events": list(hook.events)}
                self._put(Fact(WEBHOOK_ENROLLED, f"{name}:enrolled", self._clock.now_ns(), data=data))

    def deliver(self) -> int:
        """Send what is due now; returns how many letters arrived."""
        self.catch_up()
        due, arrived = self.post.due(self._clock.now_ns()), 0
        for start in range(0, len(due), AT_ONCE):
            now_ns, batch = self._clock.now_ns(), due[start : start + AT_ONCE]
            answers = self._send([self._letter(owed) for owed in batch], now_ns)
            for owed, answer in zip(batch, answers, strict=True):
                self._note(owed, answer)
                arrived += answer.ok
        return arrived

    def wait_s(self) -> float:
        """How long until something is due; 0 where something is."""
        now = self._clock.now_ns()
        times = [owed.next_ns for owed in self.post.owed.values() if owed.hook in self.post.hooks]
        return max(0, min(times, default=now + 60 * SECOND) - now) / SECOND

    def _letter(self, owed: Owed) -> Letter:
        hook = self.post.hooks[owed.hook]
        return Letter(owed.id, hook.url, owed.body, hook.secret, headers_of(hook.format))

    def _note(self, owed: Owed, answer: Answer) -> None:
        now, attempt = self._clock.now_ns(), owed.tries + 1
        data: dict[str, object] = {"hook": owed.hook, "letter": owed.id, "event": owed.event, "attempt": attempt}
        if answer.ok:
            kind = WEBHOOK_DELIVERED
            data["status"] = answer.status
        else:
            data["error"] = answer.error or f"answered {answer.status}"
            last = attempt > len(PAUSES_S) or answer.status == 410  # gone: it says itself that it wants no more
            kind = WEBHOOK_GIVEN_UP if last else WEBHOOK_FAILED
            if not last:
                data["next"] = now + PAUSES_S[attempt - 1] * SECOND
        self._put(Fact(kind, f"{owed.hook}:{owed.id}:{attempt}", now, data=data))

    def _put(self, fact: Fact) -> None:
        self._ledger.sync(fact)
        self.post.fold([fact])


def hooks_of(webhooks: Iterable[Webhook], environment: Mapping[str, str]) -> list[Hook]:
    """The hooks of the settings with their secrets; SettingsError where one has none."""
    return [
        Hook(
            hook.name,
            hook.url,
            _secret(hook, environment),
            tuple(hook.events),
            hook.format,
            hook.sender,
            ", ".join(hook.to),
        )
        for hook in webhooks
    ]


def _secret(hook: Webhook, environment: Mapping[str, str]) -> bytes:
    said = environment.get(hook.secret_env, "")
    try:
        if secret := secret_of(said):
            return secret
        why = "is not set"
    except ValueError as error:
        why = str(error)
    raise SettingsError(
        f"webhooks: {hook.name}: {hook.secret_env} {why}. Put the secret you share with the receiver into it; "
        "make one with: python -c \"import secrets, base64; print('whsec_' + "
        'base64.b64encode(secrets.token_bytes(32)).decode())"'
    )


def _told(fact: Fact, about: dict[str, dict[str, object]]) -> tuple[str, dict[str, object]]:
    """What happened as others are told of it; no event where nothing changed."""
    return _outcome(fact, about) if fact.kind == OUTCOME else _invoice(fact)


def _outcome(fact: Fact, about: dict[str, dict[str, object]]) -> tuple[str, dict[str, object]]:
    said = fact.data
    if said.get("ignored") or not said.get("state"):
        return "", {}
    key, more = str(said.get("outcome", "")), _mapping(said.get("data"))
    if said.get("type") == "claim":
        known = ("customer", "tenant", "type", "subject", "workflow")
        about[key] = {name: more[name] for name in known if more.get(name)}
        if more.get("run"):
            about[key]["run"] = more["run"]
    told = {"outcome": key, "event": said.get("type"), "state": said["state"], "at": _moment(_whole(said.get("at")))}
    told |= {"about": about.get(key, {})}
    told |= {name: said[name] for name in _TOLD if said.get(name)}
    told |= {name: more[name] for name in _AMOUNTS if more.get(name) is not None}
    return f"outcome.{said['state']}", told


def _invoice(fact: Fact) -> tuple[str, dict[str, object]]:
    said = fact.data
    if not said.get("event"):
        return "", {}
    told = {"invoice": said.get("invoice"), "event": said["event"]}
    told |= {name: said[name] for name in _INVOICE if said.get(name) is not None}
    told |= {name: said for name, said in _mapping(said.get("document")).items() if name in _DOCUMENT}
    return f"invoice.{said['event']}", told


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def _origin(url: str) -> str:
    """An address without what may be a secret in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}"


def _moment(at: int) -> str:
    whole, rest = divmod(at, SECOND)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1_000_000:03d}Z"
