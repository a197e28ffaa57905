"""What the ledger says of a client's turn, held against what the provider saw and was paid."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from genai_prices import Usage, calc_price

from examples.clients.manifest import Client
from examples.clients.model import Sent
from examples.clients.turn import Turn
from examples.clients.world import PROVIDER_KEY

NANO = Decimal("0.000000001")


@dataclass(frozen=True, slots=True)
class Record:
    """A turn's runs in the ledger, summed up."""

    runs: Sequence[dict[str, Any]]  # as `runs show --json` prints them

    def calls(self, kind: str) -> list[dict[str, Any]]:
        """The calls of a kind, over all runs."""
        return [call for run in self.runs for call in run["calls_in_order"] if call["kind"] == kind]

    @property
    def tokens(self) -> tuple[int, int]:
        """Input and output."""
        return sum(run["input"] or 0 for run in self.runs), sum(run["output"] or 0 for run in self.runs)

    @property
    def cost(self) -> Decimal:
        """In dollars, all runs together."""
        return sum((Decimal(run["cost"] or "0") for run in self.runs), Decimal())


def faults(client: Client, turn: Turn, record: Record, denied: bool) -> list[str]:
    """All that is not as it must be; nothing where the turn and its record are right."""
    tools = _denied_tools(client, record) if denied else _allowed_tools(client, record)
    return [*_ended(client, turn, denied), *_same_as_sent(client, turn, record, denied), *tools, *_whose(turn, record)]


def _ended(client: Client, turn: Turn, denied: bool) -> Iterator[str]:
    if turn.exit_code is None:
        yield f"was not done after {client.limit_s} s"
    elif turn.exit_code:
        yield f"exit code {turn.exit_code}: {_last_line(turn)}"
    said = turn.output.count("The tool said: ")
    if not denied and said < client.runs:
        yield f"the tool's answer came back in {said} of {client.runs} runs: {_last_line(turn)}"
    if denied and said:
        yield "a tool ran that was denied"
    if any(PROVIDER_KEY in text or turn.key in text for text in (turn.output, turn.errors)):
        yield "a key was printed"


def _same_as_sent(client: Client, turn: Turn, record: Record, denied: bool) -> Iterator[str]:
    """Calls, tokens and cost are those of the requests that reached the provider, priced by the catalogue itself."""
    expected = client.calls_denied if denied else client.calls
    if not turn.sent or (expected and len(turn.sent) != expected):
        yield f"{len(turn.sent)} calls reached the provider, not {expected or 'one or more'}"
    models = record.calls("model")
    if len(models) != len(turn.sent):
        yield f"{len(models)} calls are on record, {len(turn.sent)} reached the provider"
    if any(call["estimated"] or call["unpriced"] or call["opaque"] for call in models):
        yield "a call's usage or price was not read but guessed"
    sent = sum(one.input for one in turn.sent), sum(one.output for one in turn.sent)
    if record.tokens != sent:
        yield f"tokens on record are {record.tokens}, the provider said {sent}"
    owed = sum((_price(one) for one in turn.sent), Decimal())
    if record.cost != owed:
        yield f"the cost on record is {record.cost}, the catalogue says {owed}"
    if any(PROVIDER_KEY not in one.credential for one in turn.sent):
        yield "a request reached the provider without the provider's key"


def _allowed_tools(client: Client, record: Record) -> Iterator[str]:
    wanted = [tool.name for tool in client.tools]
    for run in record.runs:
        found = [call["name"] for call in run["calls_in_order"] if call["kind"] == "tool"]
        if found != wanted:
            yield f"tool spans are {found}, not {wanted}"
    answered = {tool.name for tool in client.tools if tool.answered}
    for call in record.calls("tool"):
        state = (call["action"], call["status"])
        if state != ("allow", "ok" if call["name"] in answered else "cancelled"):
            yield f"the call of {call['name']} is on record as {state}"


def _denied_tools(client: Client, record: Record) -> Iterator[str]:
    unanswered = {tool.name for tool in client.tools if not tool.answered}  # no tools but the shape of an answer
    asked = [call for call in record.calls("tool") if call["name"] not in unanswered]
    refused = [call for call in asked if (call["action"], call["rule"]) == ("deny", "not-for-these")]
    if not refused or len(refused) != len(asked):
        yield f"{len(refused)} of {len(asked)} tool calls are on record as denied"


def _whose(turn: Turn, record: Record) -> Iterator[str]:
    for run in record.runs:
        if run["workflow"] != turn.workflow or run["customer"] != "acme":
            yield f"the run is of {run['workflow']!r} for {run['customer']!r}"
        if run["status"] != "ok":
            yield f"the run's status is {run['status']}: {run['error'] or run['first_error']}"
        if {agent["name"] for agent in run["agents"]} != {turn.agent}:
            yield f"the run's agents are {[agent['name'] for agent in run['agents']]}"


def _price(sent: Sent) -> Decimal:
    usage = Usage(input_tokens=sent.input, output_tokens=sent.output)
    return calc_price(usage, sent.model, provider_id=sent.provider or None).total_price.quantize(NANO)


def _last_line(turn: Turn) -> str:
    lines = (turn.errors.strip() or turn.output.strip() or "it said nothing").splitlines()
    return lines[-1][:160]
