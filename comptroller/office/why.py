"""Why a run failed, out of the books."""

from comptroller.core.money import decimal_text
from comptroller.office.steps import Row, Rows, handovers_of, run_of, steps_in, texts_of
from comptroller.tracing.findings import Findings, find, message_of
from comptroller.tracing.step import Costs
from comptroller.tracing.texts import Texts


def why(rows: Rows, run: str, deserted: bool = False, tenant: str | None = None) -> Findings:
    """Look into a run that the books have."""
    tree = rows("run_tree", run=run, tenant=tenant)
    steps = steps_in(rows, run, tree, Texts(texts_of(rows, run)), deserted)
    return find(run_of(rows, run, deserted), steps, handovers_of(rows, run, tree, tenant))


def as_json(found: Findings) -> Row:
    """The findings for machines: ids, words and money; texts of agents as they are."""
    cause = found.cause
    return {
        "run": found.run.id,
        "status": found.run.status,
        "call": cause.id if cause else None,
        "number": found.number or None,
        "call_status": cause.status if cause else None,
        "message": message_of(cause) if cause else found.reason,
        "reason": found.reason,
        "place": found.place,
        "path": [{"id": step.id, "kind": step.kind, "name": step.name, "status": step.status} for step in found.path],
        "remedy": found.remedy,
        "others": found.others,
        "recovered": [{"failed": one.failed.id, "by": one.by.id} for one in found.recovered],
        "handovers": [
            {"agent": one.agent, "to": one.to, "because": one.because, "at": one.at or None} for one in found.handovers
        ],
        "repeats": [
            {
                "kind": one.kind,
                "name": one.name,
                "count": one.count,
                "identical": one.identical,
                "costs": costs_in_json(one.costs),
                "first": one.calls[0],
                "last": one.calls[-1],
            }
            for one in found.repeats
        ],
        "loops": [
            {
                "names": list(loop.names),
                "rounds": loop.rounds,
                "costs": costs_in_json(loop.costs),
                "first": loop.first,
                "last": loop.last,
            }
            for loop in found.loops
        ],
        "lost": {name: costs_in_json(getattr(found.lost, name)) for name in ("total", "failed", "after")},
    }


def costs_in_json(costs: Costs) -> dict[str, str]:
    """Exact decimals by currency."""
    return {currency: decimal_text(nanos) for currency, nanos in costs.items()}
