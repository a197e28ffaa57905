"""What the flow asks of its hands, and what it answers with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from comptroller.core.errors import Refused
from comptroller.core.facts import Fact
from comptroller.core.judges import Opinion
from comptroller.core.verdict import Verdict
from comptroller.wrapper.queue import Ticket

# What may be handed on of the next bytes of a stream, or None for bytes that must be sent into the flow. It never
# raises. Most bytes are one delta of text; with this and a mould, a chunk adds 28 us to an SDK's own work where
# resuming the flow's generators for each and decoding each added 41.
Quick = Callable[[bytes], bytes | None]

# What every call or chunk makes is not frozen, which would cost four times as much. Nobody changes one all the same.


@dataclass(slots=True)
class Reserve:
    """Write `opened` and hold its lines. Answered with a Shortfall, or None when held."""

    opened: Fact


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait until the ticket is woken, at most so long; a caller who leaves ends it. Answered with None."""

    ticket: Ticket
    seconds: float


@dataclass(frozen=True, slots=True)
class Stay:
    """Go on only for a caller who is still there; one who has left ends it. Answered with None."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Have a person asked, unless they were about just this call. Answered with what has come of it (`Told`)."""

    fact: Fact
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Use:
    """Pass on the approvals that `fact` names, once. Answered with why that may not be, or nothing."""

    fact: Fact


@dataclass(frozen=True, slots=True)
class Order:
    """Put what stops a run on record, durably and known to every process. Answered with None."""

    fact: Fact


class Hearing(Protocol):
    """Questions to judges that are put to them once somebody waits."""

    def wait(self) -> list[Opinion]: ...
    async def awaited(self) -> list[Opinion]: ...


@dataclass(frozen=True, slots=True)
class Judge:
    """Have judges asked, side by side. Answered with their opinions, in order."""

    hearing: Hearing


@dataclass(slots=True)
class Send:
    """Send the call upstream; `body` of None leaves it untouched. Answered with a Head."""

    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    model: str = ""  # asked for in the end: a downgrade may want another upstream
    path: str = ""  # where the URL names the model and a downgrade changed it: the path to ask instead


@dataclass(slots=True)
class Head:
    """The status line and headers (lower case) of the upstream's reply."""

    status: int
    headers: Mapping[str, str]


@dataclass(slots=True)
class Read:
    """Read the whole upstream reply, at most `limit` bytes. Answered with bytes; None beyond the limit."""

    limit: int


@dataclass(slots=True)
class Next:
    """The next bytes of a stream of which nothing is handed out yet. Answered as Emit is."""

    must_end: Callable[[], bool]  # whether it was stopped meanwhile


@dataclass(slots=True)
class Emit:
    """Hand `data` to the caller. Answered with the next bytes from upstream, None at their end or after `last`."""

    data: bytes
    last: bool = False
    headers: Mapping[str, str] | None = None  # of the reply that begins; on the first one only
    quick: Quick | None = None  # of the reply that begins, where there is a short way
    must_end: Callable[[], bool] | None = None  # of the reply that begins: whether it was stopped meanwhile


@dataclass(frozen=True, slots=True)
class Recall:
    """Look up what the vault keeps for a subject. Answered with bytes; None where it has no such body any more."""

    digest: str
    tenant: str
    subject: str


@dataclass(frozen=True, slots=True)
class Execute:
    """Run the governed function. Answered with its result."""

    function: Callable[[], object]


class UpstreamFault(Exception):
    """Thrown into the flow by its hands when the upstream failed; `error` is what the caller must see again."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(type(error).__name__)
        self.error = error


Effect = Reserve | Pause | Stay | Ask | Use | Order | Judge | Send | Read | Next | Emit | Execute | Recall


@dataclass(slots=True)
class Answer:
    """What the flow returns: a whole reply, or (for `passed`) the upstream's own reply let through untouched."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    passed: bool = False
    value: object = None  # what a governed function returned
    refused: Refused | None = None  # set when this is a refusal: hands that can raise do so
