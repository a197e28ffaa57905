"""Where values come from: everything a run reads is remembered once, every argument is traced to its first source.

A run has one flow, whatever agents it has: what one agent read and handed to another keeps its origin. Labels say who
vouches for a value, not whether it is true: `untrusted` is what anybody outside could have written.
"""

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from comptroller.core.forks import lock_over_forks
from comptroller.core.intent import Wish, acts_in, asked_to_follow
from comptroller.core.origin import LABELS, SECRECY, Label, Origin, Secrecy
from comptroller.guardrails.fields import KEY, leaves_of
from comptroller.guardrails.matching import Index, Source, words_of
from comptroller.guardrails.normal import is_odd, normal, payloads
from comptroller.guardrails.tracer import Tracer
from comptroller.guardrails.values import values_in

MOST_SOURCES = 4_000  # of one run
MOST_CHARS = 4_000_000  # of one run, as words
MOST_OF_ONE = 400_000  # characters of one text that are looked at
MOST_TEXTS = 20_000  # told apart; what comes after is not known
MOST_CALLS = 4_096  # whose arguments are remembered until their results come
ECHO_WORDS = 6  # so many words of another's text in a row are a quotation
PROBES = 8
A_NAME = 100  # characters; what is longer, or has lines, is somebody's prose
_TURN = lock_over_forks()  # one for all: what it guards takes microseconds, but for a text seen first


@dataclass(frozen=True, slots=True)
class Trust:
    """What the tool tables say of a tool's results."""

    # trusted | names: trusted where it is short | untrusted | foreign: another organisation's agent
    returns: str = "untrusted"
    secrecy: Secrecy = "public"
    own: frozenset[str] = frozenset()  # fields of an untrusted result that the system itself fills in


UNLISTED = Trust()  # nobody vouches for a tool that stands in no table


@dataclass(slots=True, eq=False)
class Asked:
    """A tool call whose result may come: what the result only repeats is not its own."""

    tool: str
    words: str


class Flow:
    """What one run has read, and where each piece of it came from. Thread-safe."""

    __slots__ = (
        "_agent",
        "_asked",
        "_index",
        "_orders",
        "_replies",
        "_roots",
        "_seen",
        "_stems",
        "follows",
        "gap",
        "heard",
        "live",
        "made",
        "scripted",
        "secrecy",
        "tainted",
        "told",
    )

    def __init__(self) -> None:
        self._forget()
        self.gap = ""  # why not everything is known; then nothing is vouched for
        self.told = False  # of the gap, on record
        self.made = 0  # model calls known of: made through here, or told by a history
        self.live = 0  # those under way
        self.scripted = False  # a program calls its tools itself

    def _forget(self) -> None:
        self._index = Index()
        self._seen: set[tuple[object, ...]] = set()
        self._asked: OrderedDict[str, Asked] = OrderedDict()
        self._roots: set[int] = set()  # messages of the conversation the user has, by their hashes
        self._replies: set[int] = set()
        self._stems: set[str] | None = None  # of the user's own words
        self._orders: set[str] | None = None  # of the instructions, for a run that no user speaks in
        self._agent: str | None = None  # whom the user speaks to
        self.tainted = False
        self.follows = False
        self.heard = False  # anything at all
        self.secrecy: Secrecy = "public"

    @property
    def chars(self) -> int:
        """How much it remembers."""
        return self._index.chars

    @property
    def labels(self) -> list[str]:
        """The worst trust and the highest secrecy of all that was read."""
        return ["untrusted" if self.tainted else "trusted", self.secrecy]

    def lose(self, why: str) -> None:
        """From here on not everything is known: the run counts as tainted, and nothing unknown as the model's own."""
        self.gap = self.gap or why
        self.tainted = True

    def drop(self, why: str) -> None:
        """Forget all, because there is no room."""
        with _TURN:
            self._forget()
            self.lose(why)

    # -- what is read

    def system(self, text: str) -> None:
        """Instructions of whoever wrote the agent."""
        self._once(("s", hash(text)), lambda: self._system(text))

    def _system(self, text: str) -> None:
        self._orders = (self._orders or set()) | set(acts_in(words_of(normal(text))))
        self._take("system", "system", text)

    def user(self, text: str, own: bool = True, by: str = "") -> None:
        """What was said in the user's place; `own` where it is the conversation of the user's own.

        Frameworks hand one agent's words to another in the user's place: those keep the origins they have.
        """
        self._once(("u", hash(text), own), lambda: self._user(text, own, by))

    def _user(self, text: str, own: bool, by: str) -> None:
        if self.gap or not own or self._quotes(text):
            if not self.tainted and not self._quotes(text):
                self._take("user", "user", text)  # nobody outside had a word in it
            else:
                self._take(f"agent:{by}" if by else "agent", "untrusted" if self.gap else "model", text)
            return
        self._stems = (self._stems or set()) | set(acts_in(words_of(normal(text))))
        self.follows = self.follows or asked_to_follow(text)
        self._take("user", "user", text, first=True)

    def reply(self, text: str) -> None:
        """What a model said: never a source, but what is quoted of it is not the user's."""
        self._once(("r", hash(text)), lambda: self._take("model", "model", text))
        if len(self._replies) < MOST_TEXTS:
            self._replies.add(hash(text.strip()))

    def asked(self, call: str, tool: str, args: Mapping[str, object] | None, text: str = "") -> None:
        """A model asked for a tool: its result may repeat the arguments."""
        if not call:
            return
        said = " ".join(words_of(normal(_flat(args) if args is not None else text)))
        with _TURN:
            self._asked[call] = Asked(tool, f" {said} ")
            if len(self._asked) > MOST_CALLS:
                self._asked.popitem(last=False)

    def repeated(self, call: str, tool: str, text: str) -> None:
        """A history tells of a tool call: known here, unless it was made elsewhere."""
        if call and call not in self._asked:
            self.asked(call, tool, None, text)

    def tool_of(self, source: str) -> str:
        """The tool whose result a source is; nothing for any other source."""
        asked = self._asked.get(source.partition(":")[2])
        return asked.tool if asked is not None else ""

    def result(self, call: str, tool: str, text: str, trust: Trust) -> None:
        """What a tool returned."""
        self._once(("t", hash(text), call), lambda: self._result(call, tool, text, trust))

    def _result(self, call: str, tool: str, text: str, trust: Trust) -> None:
        asked = self._asked.get(call)
        words = asked.words if asked is not None else ""
        name = f"{'agent' if trust.returns == 'foreign' else 'result'}:{call or tool}"
        if SECRECY[trust.secrecy] > SECRECY[self.secrecy]:
            self.secrecy = trust.secrecy
        if trust.returns == "trusted":
            self._take(name, "trusted", text, trust.secrecy, words)
            return
        leaves = leaves_of(text)
        if trust.returns == "names":
            self._names(name, [leaf for _, leaf in leaves] if leaves is not None else text.split("\n"), trust, words)
            return
        own = [leaf for field_, leaf in leaves or () if field_ in trust.own]
        if own:
            self._take(name, "trusted", "\0".join(own), trust.secrecy, words)
        theirs = text if leaves is None else _theirs(leaves, trust.own, words)
        self.tainted = self.tainted or bool(theirs.strip("\0 \n"))
        self._take(name, "untrusted", theirs, trust.secrecy, words)

    def _names(self, name: str, pieces: Sequence[str], trust: Trust, asked: str) -> None:
        """A directory: whoever may name things in it may write a name, and no letter to the reader."""
        short = [piece for piece in pieces if len(piece) <= A_NAME and "\n" not in piece.strip()]
        self._take(name, "trusted", "\0".join(short), trust.secrecy, asked)
        if len(short) < len(pieces):
            self.tainted = True
            long = (piece for piece in pieces if len(piece) > A_NAME or "\n" in piece.strip())
            self._take(name, "untrusted", "\0".join(long), trust.secrecy, asked)

    def _once(self, key: tuple[object, ...], take: Callable[[], None]) -> None:
        """History brings every text again: each is taken in the first time."""
        if key in self._seen:
            return
        with _TURN:
            if key in self._seen:
                return
            if len(self._seen) >= MOST_TEXTS:
                self.lose("more was said in the run than is remembered of one")
                return
            self._seen.add(key)
            take()

    def _take(
        self, name: str, label: Label, text: str, secrecy: Secrecy = "public", asked: str = "", first: bool = False
    ) -> None:
        self.heard = True
        if len(self._index.sources) >= MOST_SOURCES or self._index.chars >= MOST_CHARS:
            self.lose("the run has read more than is remembered of one")
            return
        if len(text) > MOST_OF_ONE:
            text = text[:MOST_OF_ONE]
            self.lose("a text was longer than is looked at")
        pieces = [text, *payloads(text)] if is_odd(text) else [text]
        plain = [normal(piece) for piece in pieces]
        words = [words_of(piece) for text_ in plain for piece in text_.split("\0")]
        keys = [value.key for piece in plain for value in values_in(piece)]
        joined = "".join(f" {' '.join(piece)} \0" for piece in words)
        source = Source(len(self._index.sources), name, label, secrecy, joined, asked)
        self._index.add(source, (word for piece in words for word in piece), keys)

    def _quotes(self, text: str) -> bool:
        """Whether somebody else's words stand in it: a model's, or those of a tool's result."""
        if hash(text.strip()) in self._replies:
            return True
        words = words_of(normal(text))
        if len(words) <= ECHO_WORDS:
            return False
        step = max(1, (len(words) - ECHO_WORDS) // PROBES)
        probes = (words[at : at + ECHO_WORDS] for at in range(0, len(words) - ECHO_WORDS + 1, step))
        return any(LABELS[source.label] > 1 for probe in probes for source in self._index.find(probe))

    # -- what is known of a request

    def knows(self, text: str, call: str) -> bool:
        """Whether a piece of a model's reply was seen before."""
        return (call in self._asked) if call else ("r", hash(text)) in self._seen

    def speaks_to(self, agent: str) -> None:
        """The user speaks to this agent."""
        self._agent = agent if self._agent is None else self._agent

    def goes_on(self, agent: str) -> bool:
        """Whether a request that brings only what is new may be of the user's conversation."""
        return self._agent in (None, agent)

    def is_users(self, texts: Sequence[str]) -> bool:
        """Whether a request with these texts in the user's place is of the conversation the user has.

        It is where nobody spoke before, and where it brings a text that the user is known to have said.
        """
        hashes = [hash(text) for text in texts]
        if not self._roots or not self._roots.isdisjoint(hashes):
            if hashes and not self.gap and len(self._roots) < MOST_TEXTS:
                self._roots.update(hashes)
            return not self.gap or not self._roots.isdisjoint(hashes)
        return False

    # -- what is asked of it

    def origins(self, args: Mapping[str, object] | None) -> "CallOrigins":
        """What a call's arguments come from; each is traced when it is asked for."""
        return CallOrigins(self, args or {}, Tracer(self._index, self.tainted, bool(self.gap)))

    def called_for(self, wish: Wish) -> bool | None:
        """Whether the user's own words ask for it; without a user, the instructions; None where nobody spoke."""
        said = self._orders if self._stems is None else self._stems
        if said is None:
            return True if self.scripted else None
        return wish.among(said)


@dataclass(slots=True, eq=False)
class CallOrigins:
    """The origins of one call's arguments, as conditions and profiles ask for them."""

    flow: Flow
    args: Mapping[str, object]
    tracer: Tracer
    _known: dict[str, Origin | None] = field(default_factory=dict)

    @property
    def tainted(self) -> bool:
        """Whether anything untrusted was read in the run, or may have been."""
        return self.flow.tainted

    @property
    def labels(self) -> list[str]:
        """The worst trust and the highest secrecy of all that was read."""
        return self.flow.labels

    @property
    def handed_over(self) -> bool:
        """Whether the user told the agent to do what some text says."""
        return self.flow.follows

    def called_for(self, wish: Wish) -> bool | None:
        """Whether the user's own words ask for it."""
        return self.flow.called_for(wish)

    def of(self, name: str) -> Origin | None:
        """The origin of an argument; None where it is absent or null."""
        if name not in self._known:
            value = self.args.get(name)
            self._known[name] = None if value is None else self.tracer.trace(value)
        return self._known[name]

    def all(self) -> dict[str, Origin]:
        """The origins of all arguments that are there."""
        traced = ((name, self.of(str(name))) for name in self.args)
        return {str(name): origin for name, origin in traced if origin is not None}


def _theirs(leaves: Sequence[tuple[str, str]], own: frozenset[str], asked: str) -> str:
    """What others wrote into a structured result. Keys are its frame: those that only repeat the question are not."""
    kept = []
    for field_, text in leaves:
        if field_ == KEY and asked and f" {' '.join(words_of(normal(text)))} " in asked:
            continue
        if field_ not in own:
            kept.append(text)
    return "\0".join(kept)


def _flat(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)
