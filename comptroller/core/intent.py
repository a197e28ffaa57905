"""What the user's own words call for: the acts that were said, held against the words a tool is asked for with.

Rough on purpose, and English unless a tool's table says more (`asked_by`): it tells "transfer 20 to Ann" from "what
did I spend", not one wish from another.
"""

import re
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache

# Words people use for the same act. A tool named by the first of a row may be asked for with any of it.
_ROWS = """
send: send post publish mail email message write tell inform notify reply answer forward let share text dm ask remind
post: post publish share send write upload announce put
create: create add make set setup schedule plan organise organize arrange write put save draft generate
add: add include invite put insert append join attach create
delete: delete remove erase clear drop trash discard clean cancel
cancel: cancel delete remove drop call
update: update change modify edit adjust correct set fix replace rename increase decrease raise lower
reschedule: reschedule move postpone shift change delay push bring
append: append add write extend attach put insert include
share: share give grant send invite
invite: invite add ask include bring join onboard
remove: remove kick delete exclude ban drop throw fire leave
reserve: reserve book reservation booking stay rent hire make arrange
book: book reserve reservation booking arrange
pay: pay transfer send wire payment settle owe refund split
transfer: transfer pay send wire payment move
refund: refund return pay give
issue: issue make give create
buy: buy purchase order
schedule: schedule set plan arrange recurring standing every monthly weekly book create add
approve: approve accept confirm sign allow
run: run execute start launch deploy
upload: upload attach put save
close: close end finish resolve shut
assign: assign give delegate hand
subscribe: subscribe register sign join enrol enroll
reset: reset change renew update
submit: submit send file hand
rename: rename change call
move: move put transfer shift
"""
ACTS = {head: tuple(rest.split()) for head, _, rest in (line.partition(":") for line in _ROWS.strip().splitlines())}
# Said behind one of these they are things, not acts: "the email", "my schedule".
_THINGS = frozenset(
    "email mail message text schedule plan note record draft change update book dm answer call post".split()  # noqa: SIM905
)
_BEFORE_THINGS = frozenset(
    "the a an my his her their our your its this that these those what which any all each every no some of in by from via "  # noqa: E501, SIM905
    "unread new last latest first next received sent".split()
)
# Said of anything: they call for a tool only beside the thing it is named after. "Make a reservation" is no event.
_VAGUE = frozenset({"make", "put", "set", "get", "give"})
_TO_ME = frozenset({"tell", "let", "give", "inform", "answer", "ask", "notify", "write"})  # "tell me" asks for words
_FOLLOW = re.compile(
    r"\b(?:to-?dos?|to do list|tasks?|checklist|instructions?|steps|actions?|requests?"
    r"|what .{0,40}(?:says?|asks?|wants?|needs?|tells?)|follow|carry out|take care of|deal with|handle"
    r"|as (?:described|requested|instructed|specified))\b",
    re.IGNORECASE,
)
_ENDINGS = ("ations", "ation", "ings", "ing", "ies", "ied", "es", "ed", "s", "e", "y", "d")


def acts_in(words: Sequence[str]) -> Iterator[str]:
    """The stems of what somebody said, without words that name a thing there, or an answer to themselves."""
    for at, word in enumerate(words):
        before = words[at - 1] if at else ""
        after = words[at + 1] if at + 1 < len(words) else ""
        single = word.removesuffix("s")
        if single in _THINGS and (word != single or before in _BEFORE_THINGS):
            continue
        if word in _TO_ME and after in ("me", "us"):
            continue
        if word == "make" and after == "sure":
            continue
        yield stem(word)


@lru_cache(maxsize=8_192)
def stem(word: str) -> str:
    """A word without its ending: rough, and the same on both sides."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            break
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word  # cancel-led, plan-ned


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user has to have said for a tool to be called for."""

    acts: frozenset[str]  # one of these
    vague: frozenset[str]  # or one of these, and
    things: frozenset[str]  # one of these beside it

    def among(self, said: Set[str]) -> bool:
        """Whether the stems of what was said hold it."""
        if not self.acts.isdisjoint(said):
            return True
        return not self.vague.isdisjoint(said) and not self.things.isdisjoint(said)


def calling(name: str, more: Iterable[str] = ()) -> Wish:
    """What asks for a tool: the act its name begins with and the like of it, and what its table adds."""
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+", name)]
    acts = [word for word in words if word in ACTS]
    said = {like for act in acts[:1] for like in (act, *ACTS[act])} or set(words)
    things = stems({*words} - {*acts[:1]})
    vague = said & _VAGUE if things else set()
    return Wish(stems({*(said - vague), *_plain(more)}), stems(vague), things)


def stems(words: Iterable[str]) -> frozenset[str]:
    """The stems of many words."""
    return frozenset(stem(word) for word in words)


def _plain(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield from re.findall(r"[^\W_]+", text.lower())


def asked_to_follow(text: str) -> bool:
    """Whether the user hands over to some text: to a list of tasks, to what an e-mail asks for."""
    return _FOLLOW.search(text) is not None
