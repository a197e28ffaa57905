"""What the owner of a ledger says to a request, whether it came over a wire or from the owner's own process."""

from comptroller.core.facts import Fact
from comptroller.store import segment, wire
from comptroller.store.owner import Owner
from comptroller.store.wire import Reply, Request


def told(owner: Owner, request: Request) -> Reply | None:
    """The answer to what writes nothing; None where the request is of another kind."""
    if request.op == wire.RENEW:
        owner.renew(request.name, request.number)
        return Reply()
    if request.op == wire.COUNTER:
        settled, held = owner.counter(request.name, request.unit)
        return Reply(settled=settled, held=held)
    if request.op == wire.HELD:
        count, sums = owner.held()
        return Reply(held=count, sums=sums)
    return None


def decided(owner: Owner, op: str, fact: Fact) -> tuple[int, Reply]:
    """What becomes of an approval, and the record that has to be durable before that is told."""
    if op == wire.ASK:
        said, sequence = owner.ask(fact)
        return sequence, Reply(told=said)
    why, sequence = owner.use(fact)
    return sequence, Reply(why=why)


def answer(owner: Owner, request: Request) -> Reply:
    """All that the server would have done, at once: whoever asked has become the owner itself."""
    reply = told(owner, request)
    if reply is not None:
        return reply
    middle = bytes(request.fact)[1:-1]
    fact = segment.fact_of(middle)
    if request.op in (wire.ASK, wire.USE):
        sequence, reply = decided(owner, request.op, fact)
        owner.sync(sequence)
        return reply
    if request.op == wire.RESERVE:
        return wire.reply_of(owner.reserve(fact, middle, again=request.again))
    sequence = owner.record(fact, middle, again=request.again)
    if request.op == wire.SYNC:
        owner.sync(sequence)
    return Reply()
