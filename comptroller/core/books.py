"""Double entry: transactions whose postings sum to zero in every currency; nouns only."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Posting:
    """So many nanos on one account; debit is positive, credit negative."""

    account: str
    currency: str
    nanos: int


@dataclass(frozen=True, slots=True)
class Txn:
    """What one cause did to the books. There is at most one for each (cause, kind): told again it changes nothing."""

    id: str
    cause: str  # id of the event or fact it follows from
    kind: str  # verified | finalised | final | reversed | clawed_back | sla | payment | grant | burn | expiry | cost
    at: int  # when it takes effect, ns since 1970
    period: str  # of the billing calendar, like 2026-11
    postings: tuple[Posting, ...]
    tenant: str = ""
    customer: str = ""
    reverses: str = ""  # id of the transaction it takes back, in part or whole
    about: dict[str, str] = field(default_factory=dict)  # outcome, invoice, run, agent: what it drills to

    def __post_init__(self) -> None:
        sums: dict[str, int] = {}
        for posting in self.postings:
            sums[posting.currency] = sums.get(posting.currency, 0) + posting.nanos
        assert not any(sums.values()), f"transaction {self.id} ({self.kind}) does not sum to zero: {sums}"
