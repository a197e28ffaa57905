"""Facts: everything that happened, each appended once. The journal stores them, every reading folds them.

A fact is one flat record. `data` holds only JSON values: integers for money (nanos) and time (ns since 1970, UTC).
Identity keys in `data` are tenant, customer, user, workflow, agent, key, depth, parent; empty ones may be left out.

kind          data
run.opened    identity, budget [nanos, currency]?, trace, api? (true: through `/api`, so its end is said there too)
run.closed    status ok|error, error?, api?
agent.opened  identity (id of the fact = span id that calls name as parent), scopes?
agent.closed  span, status
agent.handed_over  identity, to (the agent that takes over), failed (tries, where they were counted), because, place?
call.opened   identity, kind, name, dialect, stream, policy, hold {id, lines, lease_ns, price, rates?},
              request [digest], request_after [call, n]?
call.closed   identity, kind, name, dialect, stream, policy, started, first, ended, status, action, rule, because,
              decisions [..], usage {..}, cost, currency, worst, price, estimated, unpriced, overrun, waited_ms,
              hold {id, lines, rates?},
              request [digest], request_after [call, n]?, reply [digest], error, upstream {status, id},
              model (that answered), attempt, tool {call_id, effect, args, origins?, memory?}, trace, opaque,
              retry_of {call, rule} (the call whose refused reply this one is asked for instead of),
              approvals [{id, people, edited?}] it passed on, approval (it waits for), parked_ms (waiting for a person),
              cached (the call whose reply this one was given), saved (nanos it would have cost)
hold.extended hold {id, nth, lines}          a stream that outlives its hold: what its live hold grows by
hold.expired  hold {id, lines}, reason       an unfinished hold, charged at its estimate
claim         identity, type, subject, degree, evidence (digest), by (rule, where nobody claimed it)
ask           identity, kind, name, stage, rule, policy, place, because, version (of the policies), digest (of exactly
              this call), matter (digest of what an approver sees), of [role|person], barred [digest of a name]?,
              quorum, within, until, otherwise, remind?, escalate [..]?, after?, counted, split [..]? (whose votes
              decide, and who does where they disagree): a person is asked; its id is the approval's
approval.answered   approval, answer approve|deny, by, by_key?, roles [..]?, stead?, edit (digest)?, digest?, because?,
              refused?
approval.escalated  approval, to [role|person], by, until?, because?, refused?: these may answer as well
approval.delegated  approval, by, to, because?, refused?: one who may answer hands that over
approval.reminded   approval, nth
approval.expired    approval, otherwise, unused?: nobody answered in time, or it was approved and not used in time
approval.voided     approval, because: its call was made again under other policies
approval.used       approvals [..]: the call passed on them, once; written before it goes out
cap.set       unit, limit, by, because: the cap of the fact's run from here on, in place of those it had in this unit
killed        scope run|agent|key|tenant, who, tenant, by, because, rule? (of a policy): no further call of it
              passes, its streams end
revived       the same: its calls pass again
guard.failed  guard, error
policy.loaded version, files [{path, digest, text}], rules
ledger.opened pid, version, recovered {..}
key.issued    key, hash, tenant, agent, customer, user, workflow, name, scopes?, expires, by,
              budgets [[unit, limit, every, zone, over]]
key.rotated   key, old hash, new hash, until: when the secrets before this one end, by
key.revoked   key, by
person.invited  person, name, role, tenant, customer?, link (keyed digest), until, by: a one-time link to the console
person.entered  person, session, until, link? (the first to name it used it); from a provider of identities also
              provider, subject, name, role, tenant, customer?
person.left   person, session
person.changed  person, role, by
person.removed  person, by: ends every session and link of theirs
evidence.given  pack, tenant, to, by, because, since, until, subjects [..], records, bytes, sha256, head, journal:
              an evidence pack was made for somebody
contracts.loaded  version, files [{path, digest, text}]: contracts, as policy.loaded says policies
types.loaded  version, files [{path, digest, text}]: an outcome type, before the first claim taken in under it
outcome       the fields of core.outcome.OutcomeEvent; ignored, state: what the fold made of it when it was written
books.txn     the fields of core.books.Txn; postings [[account, currency, nanos]]
books.invoice invoice, event opened|drafted|finalised|paid|voided|..., number?, customer, period, lines, totals, digest,
              by? (who finalised, paid, credited, voided or wrote it off)
receipt       outcome, customer, tenant, kid, jws: signed for a verified outcome; the first of an outcome stands
receipt.countersigned  outcome, kid, by, jws: what the other party signed around it
webhook.enrolled  hook, url, events: from here on it is told
webhook.delivered|failed|given_up  hook, letter (id of the fact told), event, attempt, status?, error?, next?
exchange.sending|sent|refused  item, to, digest, object?, error?: what goes to another system's books, each once
usage         tenant, source, digest, rows, path: usage events taken in from elsewhere, in one batch
snapshot      purse {..}, approvals [..] (those that still matter): first record of each segment but the first; after
              much was written, also at a clean close
seal          mac: last record of a closed segment and of a clean close; vouches for the chain before it

`request_after` says that a request starts with the first n messages of an earlier call's (its reply comes after its
request): history is named, not repeated. A hold's `lines` are [key, unit, amount, cap?]; the purse is nothing but the
fold of holds over facts. A line in the unit `live` is a call under way: held, never charged. `rates` are rows of the
same shape for limits per second, minute, hour or day; what they count is not folded, and an end tells only those that
were used otherwise than held.
`origins` are of a tool call's arguments, where a policy asks: [{arg, label, sources, tools}], names of what was read.
A decision of judges brings `judged`: result yes|no|split|slow|broken, votes [{judge, vote, ms, which?, why?, call?,
cached?}]; what a judge gave as its reason is the reply of its own `call`, kept as texts are.
`memory` is of a call of a memory: {store, collection, count, left_out {why: n}?, untrusted?, forged?, from [{run,
agent, label, count}]?}; of a tool that is a way to one {store, does}.
status of a call: ok | denied | over_budget | rate_limited | pending | error | cut | cancelled | expired
"""

from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened: what kind, when, in which run and call, and its particulars."""

    kind: str
    id: str
    at: int
    run: str = ""
    call: str = ""
    data: dict[str, object] = field(default_factory=dict)


RUN_OPENED = "run.opened"
RUN_CLOSED = "run.closed"
AGENT_OPENED = "agent.opened"
AGENT_CLOSED = "agent.closed"
AGENT_HANDED_OVER = "agent.handed_over"
CALL_OPENED = "call.opened"
CALL_CLOSED = "call.closed"
HOLD_EXTENDED = "hold.extended"
HOLD_EXPIRED = "hold.expired"
CLAIM = "claim"
ASK = "ask"
APPROVAL_ANSWERED = "approval.answered"
APPROVAL_ESCALATED = "approval.escalated"
APPROVAL_DELEGATED = "approval.delegated"
APPROVAL_REMINDED = "approval.reminded"
APPROVAL_EXPIRED = "approval.expired"
APPROVAL_VOIDED = "approval.voided"
APPROVAL_USED = "approval.used"
CAP_SET = "cap.set"
KILLED = "killed"
REVIVED = "revived"
GUARD_FAILED = "guard.failed"
POLICY_LOADED = "policy.loaded"
LEDGER_OPENED = "ledger.opened"
KEY_ISSUED = "key.issued"
KEY_ROTATED = "key.rotated"
KEY_REVOKED = "key.revoked"
PERSON_INVITED = "person.invited"
PERSON_ENTERED = "person.entered"
PERSON_LEFT = "person.left"
PERSON_CHANGED = "person.changed"
PERSON_REMOVED = "person.removed"
EVIDENCE_GIVEN = "evidence.given"
CONTRACTS_LOADED = "contracts.loaded"
TYPES_LOADED = "types.loaded"
OUTCOME = "outcome"
TXN = "books.txn"
INVOICE = "books.invoice"
RECEIPT = "receipt"
RECEIPT_COUNTERSIGNED = "receipt.countersigned"
WEBHOOK_ENROLLED = "webhook.enrolled"
WEBHOOK_DELIVERED = "webhook.delivered"
WEBHOOK_FAILED = "webhook.failed"
WEBHOOK_GIVEN_UP = "webhook.given_up"
EXCHANGE_SENDING = "exchange.sending"
EXCHANGE_SENT = "exchange.sent"
EXCHANGE_REFUSED = "exchange.refused"
USAGE = "usage"
SNAPSHOT = "snapshot"

LIVE = "live"  # a unit: calls under way


class Line(NamedTuple):  # each call makes several: in half the time of a frozen dataclass, and it is its own JSON row
    """One counter a hold draws on: `key` names scope and window, `amount` is in `unit`; no cap = only counted."""

    key: str
    unit: str
    amount: int
    cap: int | None = None


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Why a reservation found no room."""

    line: Line
    settled: int
    held: int
    wait_ns: int = 0  # of a rate: when time alone makes room; 0 is never, or not known
    stopped: str = ""  # nothing is short: somebody stopped it, and this is what its caller is told; the line says what
