"""A function with a block of its own around each call, whatever kind of function it is."""

import functools
import inspect
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, TypeVar

from comptroller.wrapper.context import Scope, place, within

F = TypeVar("F", bound=Callable[..., Any])


class Span(Protocol):
    """A block that is entered and left."""

    scope: Scope | None
    _before: Scope | None

    def __enter__(self) -> Any: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def around(fresh: Callable[[], Span], function: F) -> F:
    """`function` inside a span of its own, whatever kind of function it is."""
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            with fresh():
                return await function(*args, **kwargs)

        return awaited  # type: ignore[return-value]
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def generated(*args: Any, **kwargs: Any) -> Any:
            return _generate(fresh(), function(*args, **kwargs))

        return generated  # type: ignore[return-value]
    if inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        def agenerated(*args: Any, **kwargs: Any) -> Any:
            return _agenerate(fresh(), function(*args, **kwargs))

        return agenerated  # type: ignore[return-value]

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        with fresh():
            return function(*args, **kwargs)

    return called  # type: ignore[return-value]


def _generate(span: Span, generator: Any) -> Any:
    """A generator whose body runs in the span, while whoever consumes it stays outside."""
    with span:
        place(span._before)
        try:
            sent: Any = None
            while True:
                with within(span.scope):
                    try:
                        item = generator.send(sent)
                    except StopIteration as done:
                        return done.value
                sent = yield item
        finally:
            with within(span.scope):
                generator.close()


async def _agenerate(span: Span, generator: Any) -> Any:
    with span:
        place(span._before)
        try:
            sent: Any = None
            while True:
                with within(span.scope):
                    try:
                        item = await generator.asend(sent)
                    except StopAsyncIteration:
                        return
                sent = yield item
        finally:
            with within(span.scope):
                await generator.aclose()
