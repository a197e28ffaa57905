"""The account of one run as `runs show` writes it out for people."""

import json
from decimal import Decimal
from pathlib import Path

import typer

from comptroller.cli import findings, screen
from comptroller.core.errors import StoreError
from comptroller.office.account import Row, Vault, bodies_of, cost_unknown, costs_of, origin_in_words
from comptroller.tracing.findings import Findings

SHORT_VERSION = 8
SHORT_CALL = 16  # of 32 digits: the time to the millisecond and a counter
_IDENTITY = ("tenant", "workflow", "customer", "user", "agent", "key")


def costs_in_words(row: Row) -> str:
    """The same for people."""
    said = [screen.money(Decimal(cost), currency) for currency, cost in costs_of(row).items()]
    return " + ".join(said) or screen.money(Decimal(row["cost"]), row["currency"])


def add_bodies(told: Row, ledger: Path) -> None:
    """Put the messages themselves beside their digests."""
    from comptroller.store.bodies import Bodies

    vault = Bodies.open(ledger)
    for call in told["calls_in_order"]:
        call["bodies"] = bodies_of(call, vault)


def vault_of(ledger: Path) -> Vault | None:
    """The texts, for who can do without: None where their keys are not here."""
    from comptroller.store.bodies import Bodies

    try:
        return Bodies.open(ledger)
    except StoreError:
        return None


def write_transcript(told: Row, ledger: Path) -> None:
    """What was said in a run, an event a line; what is missing is said beside it."""
    from comptroller.office.transcript import transcript
    from comptroller.store.bodies import Bodies

    events, lost = transcript(told, Bodies.open(ledger))
    for event in events:
        typer.echo(json.dumps(event, ensure_ascii=False))
    if lost:
        missing = screen.count(lost, "message")
        typer.echo(f"{missing} of this run cannot be told: kept as a digest only, or erased.", err=True)


def write(told: Row, found: Findings) -> None:
    """The account for people."""
    head(told, found)
    shown: set[str] = set()
    numbers: dict[str, int] = {}
    for number, call in enumerate(told["calls_in_order"], 1):
        screen.say()
        numbers[call["call"]] = number
        _write_call(number, call)
        if "bodies" in call:
            if call["request_after"]:
                before, count = call["request_after"]
                messages = screen.count(count, "message")
                screen.say(f"       ({messages} as in call {numbers.get(before, screen.clean(before))})")
            _write_bodies(call, shown)
    if told["claims"]:
        screen.say()
    for claim in told["claims"]:
        degree = "" if claim["degree"] in (None, 1) else f" to a degree of {claim['degree'].normalize():f}"
        screen.say(f"claim  {screen.clean(claim['type'])} for {screen.clean(claim['subject'])}{degree}")


def head(told: Row, found: Findings) -> None:
    """Who, when, what it came to, and why it failed."""
    screen.say(f"run {screen.clean(told['run'])}  {screen.status(told['status'])}")
    who = [f"{name} {screen.clean(told[name])}" for name in _IDENTITY if told[name] and told[name] != "default"]
    if who:
        screen.say("  " + ", ".join(who))
    ended = told["ended"]
    until = f", took {screen.duration(told['started'], ended)}" if ended else ", not ended"
    screen.say(f"  started {screen.moment(told['started'])} UTC{until}")
    screen.say(f"  {_costs(told)}")
    counts = [
        screen.count(int(told[name]), name, name)
        for name in ("failed", "refused", "redacted", "estimated", "unpriced", "opaque", "unfinished")
        if told[name]
    ]
    tokens = f"{told['input']:,} tokens in, {told['output']:,} out"
    screen.say(f"  {screen.count(told['calls'], 'call')}, {tokens}" + "".join(f", {item}" for item in counts))
    if told["error"]:
        screen.say(f"  error: {screen.short(told['error'], 300)}")
    cause = told["calls_in_order"][found.number - 1] if found.number else None
    findings.write_why(found, cause["upstream"]["id"] if cause else "")
    if not found.reason:
        _write_first_error(told)
    if told["status"] == "abandoned":
        screen.say("  its process ended without closing it")
    _write_relatives(told)


def _write_first_error(told: Row) -> None:
    for number, call in enumerate(told["calls_in_order"], 1):
        if call["error"]:
            screen.say(f"  first error: call {number}, {screen.short(failure(call), 300)}")
            break


def _write_relatives(told: Row) -> None:
    """The run around this one, and those inside it."""
    if told["outer"]:
        screen.say(f"  inside run {screen.clean(told['outer'])}")
    for inner in told["inner"]:
        name = screen.short(inner["workflow"], 40) or "-"
        cost = " + ".join(screen.money(Decimal(cost), unit) for unit, cost in inner["costs"].items()) or "0.00"
        calls = screen.count(inner["calls"], "call")
        screen.say(
            f"  inner run {screen.clean(inner['run'])}  {name}  {screen.status(inner['status'])}  {calls}, {cost}"
        )


def failure(call: Row) -> str:
    """What went wrong with a call, and by which number its provider knows it."""
    id = call["upstream"]["id"]
    return f"{call['error']} ({id})" if id else str(call["error"])


def _costs(told: Row) -> str:
    text = f"cost {costs_in_words(told)}"
    if told["budget"] is not None:
        text += f" of a budget of {screen.money(told['budget'], told['budget_currency'])}"
    return text


def _write_call(number: int, call: Row) -> None:
    name = screen.short(call["name"], 60) or call["kind"]
    if call["model"] and call["model"] != call["name"]:
        name += f" (answered by {screen.short(call['model'], 60)})"
    agent = f"  agent {screen.short(call['agent'], 40)}" if call["agent"] else ""
    screen.say(f"{number:>3}. {call['kind']} {name}  {screen.status(call['status'])}{agent}")
    facts = []
    if call["input"] or call["output"]:
        facts.append(f"{call['input']:,} tokens in, {call['output']:,} out")
    if cost_unknown(call):
        facts.append("cost unknown" + (": no price for this model" if call["unpriced"] else ": not understood"))
    elif call["cost"] or call["kind"] == "model":
        facts.append(screen.money(call["cost"], call["currency"]) + (" (estimated)" if call["estimated"] else ""))
    facts.append(screen.duration(call["started"], call["ended"]))
    if call["attempt"] > 1:
        facts.append(f"attempt {call['attempt']}")
    screen.say("     " + "  ".join(facts))
    for origin in call["origins"]:
        screen.say(f"     {screen.short(origin_in_words(origin), 200)}")
    for decision in call["decisions"]:
        _write_decision(decision)
    if call["error"]:
        screen.say(f"     error: {screen.short(failure(call), 300)}")
    screen.say(f"     {_under(call)}")


def _under(call: Row) -> str:
    """What other commands know this call by, the rules and prices in force at it, and what its provider knows it by."""
    policy, price, upstream = call["policy"], call["price"], call["upstream"]
    parts = [f"call {screen.clean(call['call'][:SHORT_CALL])}"]
    if policy:
        parts.append(f"policy {screen.clean(policy[:SHORT_VERSION])}")
    if price:
        parts.append(f"price {screen.clean(price)}")
    if upstream["status"] and not call["error"]:
        parts.append(f"upstream {upstream['status']} {screen.short(upstream['id'], 60)}".rstrip())
    return ", ".join(parts)


def _write_decision(decision: Row) -> None:
    word = screen.clean(decision["action"]) + (" (shadow)" if decision["shadow"] else "")
    rule = f" by {screen.short(decision['rule'], 60)}" if decision["rule"] else ""
    about = f" on {screen.short(decision['tool'], 40)}" if decision["tool"] else ""
    found = f" [{screen.short(decision['findings'], 80)}]" if decision["findings"] else ""
    found += f" [{screen.short(decision['votes'], 120)}]" if decision["votes"] else ""
    because = f": {screen.short(decision['because'], 300)}" if decision["because"] else ""
    screen.say(f"     {word}{rule}{about}{found}{because}")


def _write_bodies(call: Row, shown: set[str]) -> None:
    """Messages not printed before in this account: a conversation repeats itself in every request."""
    repeated = 0
    for side in ("request", "reply"):
        for digest, body in zip(call[side], call["bodies"][side], strict=True):
            if digest in shown:
                repeated += 1
                continue
            shown.add(digest)
            if repeated:
                screen.say(f"       ({screen.count(repeated, 'message')} as before)")
                repeated = 0
            _write_message(body)
    if not call["request"] and not call["reply"] and not call["request_after"] and call["kind"] == "model":
        screen.say("       (no text was kept)")


def _write_message(body: object) -> None:
    if body is None:
        screen.say("       (kept as a digest only, or erased)")
        return
    role, text = _readable(body)
    first, *rest = screen.clean(text, lines=True).split("\n") or [""]
    screen.say(f"       {screen.clean(role)}: {first}")
    for line in rest:
        screen.say(f"         {line}")


def _readable(body: object) -> tuple[str, str]:
    """Who speaks, and what; whatever we do not understand is shown as it is."""
    if offered := _offered(body):
        return "tools offered", ", ".join(offered)
    if not isinstance(body, dict):
        return "text", body if isinstance(body, str) else _flat(body)
    parts = [_flat(body["content"])] if body.get("content") else []
    for call in body.get("tool_calls") or []:
        parts.append(_tool_call(call))
    known = {"role", "content", "tool_calls", "finish", "refusal", "tool_call_id", "name"}
    if body.get("refusal"):
        parts.append(f"[refusal] {body['refusal']}")
    if not parts or not set(body) <= known:
        parts = parts or [json.dumps(body, ensure_ascii=False)]
    return str(body.get("role") or "text"), "\n".join(parts)


def _offered(body: object) -> list[str]:
    """The names of the tools that a request puts on offer, in any provider's shape; none for any other message."""
    tools = body if isinstance(body, list) else [body]
    names = [name for tool in tools if isinstance(tool, dict) for name in _tool_names(tool)]
    return names if len(names) >= len(tools) else []


def _tool_names(tool: Row) -> list[str]:
    if "role" in tool or "content" in tool or "text" in tool:
        return []
    if isinstance(declared := tool.get("functionDeclarations") or tool.get("function_declarations"), list):
        return [str(one.get("name", "?")) for one in declared if isinstance(one, dict)]
    inner = tool["function"] if isinstance(tool.get("function"), dict) else tool
    if isinstance(inner.get("name"), str):
        return [inner["name"]]
    # Tools the provider runs itself may have a type and no name.
    return [tool["type"]] if isinstance(tool.get("type"), str) else []


def _flat(content: object) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(_flat(part) for part in content)
    if isinstance(content, dict) and isinstance(content.get("text"), str):
        kind = content.get("kind") or content.get("type") or "text"
        return str(content["text"]) if kind == "text" else f"[{kind}] {content['text']}"
    return json.dumps(content, ensure_ascii=False)


def _tool_call(call: object) -> str:
    if not isinstance(call, dict):
        return json.dumps(call, ensure_ascii=False)
    asked = call.get("function") if isinstance(call.get("function"), dict) else call
    assert isinstance(asked, dict)
    args = asked.get("args", asked.get("arguments", ""))
    text = f"[calls {asked.get('name', '?')}] {args if isinstance(args, str) else json.dumps(args, ensure_ascii=False)}"
    return f"{text}\n[refused] {call['refused']}" if call.get("refused") else text
