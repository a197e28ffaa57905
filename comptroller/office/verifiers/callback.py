"""Asking the customer's system of record: a signed question, and an answer that counts only where it is signed, too.

The question carries the same id however often it is asked. The answer must carry that id back and be signed with the
shared secret, so that neither an answer to another question nor one by somebody else is taken for it.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from comptroller.core.money import decimal_text
from comptroller.core.outcome import WHOLE, Outcome
from comptroller.metering.outcome_frame import Check, read_share
from comptroller.office.post import Answer, Letter, fault, secret_of
from comptroller.office.verifiers.verdict import Hearing, Verdict

SECOND = 1_000_000_000
FIRST_S, LONGEST_S = 30, 6 * 3600  # between two tries: twice as long each time


class _Said(msgspec.Struct):
    outcome: str
    verdict: str  # pass | fail | later
    because: str = ""
    degree: str = "1"


@dataclass(frozen=True, slots=True)
class Told:
    """What an answer says, or why it cannot be trusted."""

    verdict: Verdict
    lies: bool = False  # signed by somebody else, or an answer to something else


def letter_of(check: Check, hearing: Hearing) -> Letter:
    """The question; ValueError where its secret is not there."""
    outcome = hearing.outcome
    body = {
        "outcome": outcome.key,
        "check": check.id,
        "type": outcome.type,
        "customer": outcome.customer,
        "subject": outcome.subject,
        "degree": decimal_text(outcome.degree, 0),
        "run": outcome.run,
        "evidence": hearing.evidence,
        "evidence_digests": list(outcome.evidence),
    }
    return Letter(question_id(outcome, check.id), check.url or "", msgspec.json.encode(body), secret(check))


def question_id(outcome: Outcome, check: str) -> str:
    """The same for all tries; another one once there is new evidence."""
    return f"{outcome.key}.{check}.{len(outcome.evidence)}"


def secret(check: Check) -> bytes:
    """The secret both sides share."""
    found = os.environ.get(check.secret_env or "")
    if not found:
        raise ValueError(f"the variable {check.secret_env} holds no secret to sign with")
    return secret_of(found)


def heard(check: Check, outcome: Outcome, answer: Answer, now_ns: int) -> Told:
    """What came back."""
    if answer.error:
        return Told(Verdict(None, f"it could not be asked: {answer.error}"))
    if answer.status == 202 and not answer.body:
        return Told(Verdict(None, "it says it will answer later"))
    if not answer.ok:
        return Told(Verdict(None, f"it answered with status {answer.status}"))
    return read(check, outcome, answer.headers, answer.body, now_ns)


def read(check: Check, outcome: Outcome, headers: Mapping[str, str], body: bytes, now_ns: int) -> Told:
    """A signed answer, whichever way it came."""
    known = {name.lower(): value for name, value in headers.items()}
    try:
        wrong = fault(secret(check), known, body, now_ns)
    except ValueError as error:
        return Told(Verdict(None, str(error)))
    if not wrong and known.get("webhook-id") != question_id(outcome, check.id):
        wrong = "it answers another question"
    if wrong:
        return Told(Verdict(None, f"an answer was refused: {wrong}"), lies=True)
    try:
        said = msgspec.json.decode(body, type=_Said)
        degree = _degree(said.degree)
    except (msgspec.MsgspecError, ValueError):
        return Told(Verdict(None, "its answer is not the JSON that was asked for"))
    if said.outcome != outcome.key:
        return Told(Verdict(None, "an answer was refused: it is about another outcome"), lies=True)
    passed = {"pass": True, "fail": False}.get(said.verdict)
    return Told(Verdict(passed, said.because[:500], degree))


def next_try(tries: int, last_ns: int) -> int:
    """When to ask again after so many tries."""
    return last_ns + min(FIRST_S << min(tries - 1, 20), LONGEST_S) * SECOND if tries else 0


def _degree(text: str) -> int:
    share = read_share(text)
    if not 0 < share <= WHOLE:
        raise ValueError("a degree is above 0 and at most 1")
    return share
