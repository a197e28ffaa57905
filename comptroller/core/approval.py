"""The nouns of an approval: which call a person is asked about, what was answered, and what has become of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

FOR_THE_RUN = ("agent", "result")  # stages whose approval holds for the run it was used in: they come again and again
State = Literal["pending", "approved", "denied", "expired", "void", "used"]


@dataclass(frozen=True, slots=True)
class Vote:
    """What one person said."""

    person: str
    answer: str  # approve | deny
    at: int
    edit: str = ""  # digest of the arguments they approve instead
    because: str = ""
    stead: str = ""  # who had handed the answer over to them
    seat: str = ""  # whose vote it is, of those the rule names, where votes are counted


@dataclass(frozen=True, slots=True)
class Approval:
    """A call that a person must approve: exactly this one, under exactly this version of the policies.

    `until` is when its state ends by itself: a pending one expires then, an approved one may no longer be used, a
    denied one no longer refuses the same call unasked. 0 means never.
    """

    id: str
    asked: int  # ns since 1970
    run: str
    call: str
    digest: str  # of who calls what with which arguments
    rule: str
    version: str  # of the policies
    stage: str = "tool"
    kind: str = "tool"
    name: str = ""
    tenant: str = "default"
    customer: str = ""
    user: str = ""
    workflow: str = ""
    agent: str = ""
    key: str = ""
    policy: str = ""
    because: str = ""
    place: str = ""
    of: tuple[str, ...] = ()  # roles and people; empty: whoever may approve at all
    barred: tuple[str, ...] = ()  # digests of the names of those who benefit
    quorum: int = 1
    within: int = 0  # ns
    until: int = 0
    otherwise: str = "deny"
    remind: int = 0  # ns between reminders; 0: none
    counted: str = ""  # votes decide: majority | unanimous | a number; `quorum` is how many that are
    seats: tuple[str, ...] = ()  # who has one, whoever may answer later
    split: tuple[str, ...] = ()  # who decides where they disagree
    escalate: tuple[str, ...] = ()  # who is asked as well when nobody answers for `after`
    after: int = 0  # ns
    request: str = ""  # digest of what an approver sees of it, in the vault
    state: State = "pending"
    votes: tuple[Vote, ...] = ()
    delegates: Mapping[str, str] = field(default_factory=dict)  # who handed the answer over -> to whom
    edit: str = ""  # digest of the arguments that were approved instead
    decided: int = 0
    reminded: int = 0  # when last
    reminders: int = 0
    escalated: bool = False
    undecided: bool = False  # the votes disagree: a person decides
    handed_up: bool = False  # and that is on record
    ended: str = ""  # why it is void, or expired though approved
    used_by: str = ""  # id of the fact that used it, so that a request sent twice is one
    used_in: str = ""  # the call
    used_run: str = ""

    @property
    def people(self) -> tuple[str, ...]:
        """Who approved what is approved."""
        said = [vote for vote in self.votes if vote.answer == "approve" and vote.edit == self.edit]
        return tuple(vote.person for vote in said if not (self.undecided and vote.seat))

    @property
    def is_silent(self) -> bool:
        """Nobody has said no, and the rule takes silence for a yes."""
        return self.otherwise == "allow" and not self.decided and all(vote.answer != "deny" for vote in self.votes)

    @property
    def denier(self) -> Vote | None:
        """Who denied what is denied; of votes that were counted, the last."""
        denied = [vote for vote in self.votes if vote.answer == "deny"]
        return (denied[-1] if self.counted else denied[0]) if denied else None


@dataclass(frozen=True, slots=True)
class Told:
    """What the ledger says to a call that needs approval."""

    approval: str
    state: State
    until: int = 0
    edit: str = ""
    people: tuple[str, ...] = ()
    because: str = ""
    otherwise: str = "deny"
    again: bool = False  # it was used in this run, and holds for all of it

    @property
    def passes(self) -> bool:
        """True where the call may go out once: approved, or unanswered where the rule lets such calls pass."""
        return self.again or self.state == "approved" or (self.state == "expired" and self.otherwise == "allow")


def told(approval: Approval, state: State) -> Told:
    """An approval as its call hears of it."""
    denied = approval.denier if state == "denied" else None
    people = (denied.person,) if denied is not None else approval.people
    because = denied.because if denied is not None else ""
    otherwise = approval.otherwise if approval.is_silent else "deny"
    return Told(approval.id, state, approval.until, approval.edit, people, because, otherwise)
