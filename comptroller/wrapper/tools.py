"""Tools of one's own: a function that is checked before it runs, metered, and put on record."""

import functools
import inspect
from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from typing import Any, Literal, TypeVar, overload

import msgspec

from comptroller.core.errors import Denied, Refused
from comptroller.core.verdict import Verdict
from comptroller.wrapper import restoring, toolgate
from comptroller.wrapper.asking import text_matter, use
from comptroller.wrapper.context import Scope, current, within
from comptroller.wrapper.dataflow import returned
from comptroller.wrapper.desk import Desk, open_or_none
from comptroller.wrapper.drive import run_awaiting, run_blocking
from comptroller.wrapper.effects import Answer, Effect, Execute
from comptroller.wrapper.entry import Entry
from comptroller.wrapper.run import ambient
from comptroller.wrapper.shared import case_for, decide, enforce, enforce_guard, plan_for

F = TypeVar("F", bound=Callable[..., Any])
Effectful = Literal["read", "write", "external"]


@overload
def tool(function: F, /) -> F: ...
@overload
def tool(*, effect: Effectful = ..., name: str = ..., scope: str = ...) -> Callable[[F], F]: ...
def tool(
    function: Callable[..., Any] | None = None, /, *, effect: Effectful = "read", name: str = "", scope: str = ""
) -> Any:
    """Govern a function that agents call; free when nothing is open."""
    if effect not in ("read", "write", "external"):
        raise ValueError(f"effect={effect!r} is not known. Say read, write or external.")
    if function is None:
        return lambda made: _governed(made, effect, name, scope)
    return _governed(function, effect, name, scope)


def _governed(function: Callable[..., Any], effect: str, name: str, scope: str) -> Callable[..., Any]:
    signature = inspect.signature(function)
    name = name or function.__name__

    def call(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Desk, Generator[Effect, Any, Answer]] | None:
        desk = open_or_none()
        if desk is None:
            return None
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError:
            return None  # Python's own complaint about the arguments is the better one
        return desk, tool_call(desk, name, effect, scope, bound, function)

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            governed = call(args, kwargs)
            if governed is None:
                return await function(*args, **kwargs)
            return _result(await run_awaiting(*governed))

        return awaited

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        governed = call(args, kwargs)
        if governed is None:
            return function(*args, **kwargs)
        return _result(run_blocking(*governed))

    return called


def _result(answer: Answer) -> Any:
    if answer.refused is not None:
        raise answer.refused
    return answer.value


def tool_call(
    desk: Desk, name: str, effect: str, scope: str, bound: inspect.BoundArguments, function: Callable[..., object]
) -> Generator[Effect, Any, Answer]:
    """The path of one tool call: decided here, unless the boundary decided on exactly this call already."""
    desk.refresh()
    where: Scope = current() or ambient(desk)
    text = _text(bound.arguments)
    digest = toolgate.digest_of(desk, name, _plain(text))
    asked = where.run.boundary.take(name, digest, where.identity)
    entry = asked.entry if asked else Entry(desk, where.identity, where.run, "tool", name=name)
    entry.tool.update(effect=effect, args=digest)
    entry.started = desk.clock.now_ns()
    inner = Scope(replace(where.identity, parent=entry.id), where.run, (*where.inside, entry.id))
    try:
        _within_scope(entry, scope)  # the boundary knows the tool tables, not what the function itself asks for
        if asked is None:
            back = yield from restoring.restored_in(entry, bound.arguments, lambda args: _plain(_text(args)))
            if back.values:
                text = _text(bound.arguments)
                entry.tool["args"] = toolgate.digest_of(desk, name, _plain(text))
            ruling = yield from toolgate.judge(entry, name, _plain(text), text, plan_for(entry, "out"), back)
            if ruling.edited is not None:
                _edit(bound.arguments, _plain(text), ruling.edited)
            if ruling.text is not None:
                _replace(entry, bound.arguments, _plain(ruling.text))
            yield from toolgate.hold_tool(entry)
            if entry.passes:
                yield from use(entry)
        entry.sent = True
        value = yield Execute(_in_scope(inner, lambda: function(*bound.args, **bound.kwargs)))
        yield from _look_at_result(entry, name, value)
        return Answer(value=value)
    except Refused as refused:
        if entry.status == "ok":  # a tool may itself raise a refusal of a call it made: then it failed, we did not
            entry.refuse(refused)
        return Answer(refused=refused)
    except GeneratorExit:
        entry.status = "cancelled"
        raise
    except BaseException as error:
        entry.fail(error, f"tool {name}")
        raise
    finally:
        entry.close()


def _within_scope(entry: Entry, scope: str) -> None:
    held = entry.identity.scopes
    if scope and held is not None and scope not in held:
        who = entry.identity.agent or "This run"
        because = f"{who} holds no scope {scope!r}, which {entry.name} needs. Open the agent with scopes=[{scope!r}]."
        entry.say("tool", Verdict("deny", "scope", "", because), entry.name)
        raise Denied(because, {"rule": "scope"})


def _edit(args: dict[str, object], before: Mapping[str, object], edited: Mapping[str, object]) -> None:
    """Give the function the arguments its call was approved with; those that nobody touched stay what they are."""
    for name in before.keys() - edited.keys():
        args.pop(name, None)
    for name, value in edited.items():
        if name not in before or before[name] != value:
            args[name] = value


def _replace(entry: Entry, args: dict[str, object], redacted: Mapping[str, object]) -> None:
    """Give the function its redacted texts; what is found deeper inside an argument cannot be taken out of it."""
    before = _plain(_text(args))
    for name, value in redacted.items():
        if value == before.get(name):
            continue
        if not isinstance(args.get(name), str):
            because = f"Guards found something inside the argument {name!r}, which is no text and cannot be redacted."
            entry.say("tool", Verdict("deny", "guards.redact", "", because), entry.name)
            raise Denied(because, {"rule": "guards.redact"})
        args[name] = value


def _look_at_result(entry: Entry, name: str, value: object) -> Generator[Effect, Any, None]:
    """Rules and guards on what a tool returned.

    A function's value is never rewritten: it passes or it does not. What is to be redacted of it is redacted where
    it enters a model's request.
    """
    text = value if isinstance(value, str) else _text({"result": value})
    returned(entry, name, text)
    case = case_for(entry, "result", tool=name)
    case.text = lambda: text
    decision = yield from decide(entry, case)
    entry.note("result", decision, name)
    matter = text_matter("result", name, text)
    yield from enforce(entry, decision, matter)
    found = entry.desk.inspect(text, plan_for(entry, "in"))
    if found is not None:
        entry.found("result", found, name)
        yield from enforce_guard(entry, found, matter)
    if entry.passes:
        yield from use(entry)


def _in_scope(scope: Scope, function: Callable[[], object]) -> Callable[[], object]:
    def inside() -> object:
        with within(scope):
            value = function()
        return _awaited_in(scope, value) if inspect.iscoroutine(value) else value

    return inside


async def _awaited_in(scope: Scope, coroutine: Any) -> object:
    with within(scope):
        return await coroutine


def _text(args: Mapping[str, object]) -> str:
    """Arguments as JSON; what JSON has no word for is written as Python shows it."""
    try:
        return msgspec.json.encode(args, enc_hook=repr, order="sorted").decode()
    except (TypeError, ValueError, RecursionError):
        return msgspec.json.encode({name: repr(value) for name, value in args.items()}).decode("utf-8", "replace")


def _plain(text: str) -> dict[str, object]:
    plain: dict[str, object] = msgspec.json.decode(text)
    return plain
