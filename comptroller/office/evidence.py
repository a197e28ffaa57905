"""Evidence: bodies in the vault, by their digests in what was said of an outcome."""

from collections.abc import Mapping

import msgspec

from comptroller.core.outcome import Outcome
from comptroller.wrapper.desk import Desk


def body_of(desk: Desk, digest: str) -> Mapping[str, object] | None:
    """One piece of evidence; None where it was erased, was never kept, or is no JSON object."""
    data = desk.ledger.fetch(digest) if digest else None
    if data is None:
        return None
    try:
        return msgspec.json.decode(data, type=dict[str, object])
    except msgspec.MsgspecError:
        return None


def gathered(desk: Desk, outcome: Outcome) -> tuple[Mapping[str, object], bool]:
    """All evidence of an outcome, what came later over what came before; and whether some of it is lost."""
    pieces = [body_of(desk, digest) for digest in outcome.evidence]
    merged: dict[str, object] = {}
    for piece in pieces:
        merged.update(piece or {})
    return merged, any(piece is None for piece in pieces)


def keep(desk: Desk, outcome: Outcome, evidence: Mapping[str, object]) -> str:
    """Put a piece of evidence into the vault; returns its digest."""
    body = msgspec.json.encode(evidence, order="sorted")
    return desk.ledger.keep([body], outcome.tenant, outcome.customer or outcome.tenant)[0]
