"""The bench: judges are asked here, side by side, on an event loop of its own, and what they said is kept for a while.

Asking a judge is a call like any other: governed, held, paid for and on record in the run it judges. It is exempt from
judged rules, loops and limits, which would have it wait for the very call it is asked about, and from nothing else.
"""

import asyncio
import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from comptroller.core.call import Identity
from comptroller.core.errors import SettingsError
from comptroller.core.forks import LOADING, lock_over_forks
from comptroller.core.judges import AGENT, Judge, Opinion, Question, Word
from comptroller.core.providers import providers_of, secret_of
from comptroller.core.settings import Provider
from comptroller.guardrails.judge import MOST, Shown, exhibit, instructions, mark_for, read, shape
from comptroller.policies.globs import any_of
from comptroller.wrapper.boundary import Boundary
from comptroller.wrapper.context import RunState, Scope, within

if TYPE_CHECKING:
    from comptroller.wrapper.desk import Desk

KEPT = 4_096  # answers
GRACE_S = 5.0  # what a loop under load may take on top of a judge's own time
AT_ONCE = 32  # questions put to one judge at a time: a slow one keeps nobody from asking another
REASONING = ("o1*", "o3*", "o4*", "gpt-5*")  # take no temperature, and think before the tokens they answer with
THINKS = 2_000  # tokens
SECOND = 1_000_000_000
_TURN = lock_over_forks()


@dataclass(frozen=True, slots=True)
class Asked:
    """One question put to one judge, about one call."""

    judge: Judge
    question: Question
    shown: Shown
    identity: Identity
    call: str  # that is judged
    run: RunState


class Unheard(Exception):
    """A judge could not be asked, or said nothing that counts; says why in words of ours."""


@dataclass(slots=True)
class Hearing:
    """What a flow wants asked; nothing is asked before it is waited for."""

    bench: "Bench"
    asked: Sequence[Asked]
    futures: list["Future[Opinion]"] = field(default_factory=list)

    def wait(self) -> list[Opinion]:
        """All opinions, in order."""
        self._put()
        try:
            return [self._result(future, one) for future, one in zip(self.futures, self.asked, strict=True)]
        finally:
            self._leave()

    async def awaited(self) -> list[Opinion]:
        """The same without keeping an event loop from anything else."""
        self._put()
        try:
            waiting = [asyncio.wrap_future(future) for future in self.futures]
            if waiting:
                await asyncio.wait(waiting, timeout=max(map(_most_s, self.asked)))
            return [self._result(future, one, 0) for future, one in zip(self.futures, self.asked, strict=True)]
        finally:
            self._leave()

    def _put(self) -> None:
        self.futures = [self.bench.put(one) for one in self.asked]

    def _result(self, future: "Future[Opinion]", one: Asked, patience_s: float | None = None) -> Opinion:
        try:
            return future.result(_most_s(one) if patience_s is None else patience_s)
        except (TimeoutError, asyncio.CancelledError):
            return Opinion(one.judge.name, "slow")
        except Exception as error:  # noqa: BLE001 - whatever went wrong, nobody has said yes or no
            return Opinion(one.judge.name, "broken", why=type(error).__name__)

    def _leave(self) -> None:
        """Nobody waits any more."""
        for future in self.futures:
            future.cancel()


def _most_s(one: Asked) -> float:
    return one.judge.within_s + GRACE_S


class Bench:
    """The judges of a desk. Its thread and clients are made when the first is asked."""

    def __init__(self, desk: "Desk") -> None:
        self.desk = desk
        self._kept: OrderedDict[str, tuple[int, Opinion]] = OrderedDict()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._pid = 0
        self._clients: dict[tuple[str, str], Any] = {}
        self._free: dict[str, asyncio.Semaphore] = {}  # places with a judge, by its name

    def put(self, asked: Asked) -> "Future[Opinion]":
        """Ask, unless just this was answered a while ago."""
        key = self._key(asked)
        if (kept := self._found(key, asked)) is not None or sum(len(text) for _, text in asked.shown) > MOST:
            done: Future[Opinion] = Future()
            too_long = Opinion(asked.judge.name, "broken", why=f"it would see more than {MOST} characters")
            done.set_result(kept or too_long)
            return done
        return asyncio.run_coroutine_threadsafe(self._opinion(asked, key), self._running())

    def close(self) -> None:
        """Ask nobody any more."""
        loop, thread = self._loop, self._thread
        self._loop = None
        if loop is not None and thread is not None and self._pid == os.getpid():
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(loop.stop)
            thread.join(GRACE_S)

    # -- what was said before

    def _key(self, asked: Asked) -> str:
        """Of a judge, what it is asked and what it is shown, for a tenant."""
        judge, question = asked.judge, asked.question
        told = [asked.identity.tenant, judge.name, judge.upstream, judge.model, str(question.principles)]
        told += [*question.says, "", *(text for piece in asked.shown for text in piece)]
        data = [text.encode("utf-8", "surrogatepass") for text in told]
        return self.desk.ledger.digest(b"judge\0" + b"".join(len(each).to_bytes(4) + each for each in data))

    def _found(self, key: str, asked: Asked) -> Opinion | None:
        with _TURN:
            until, opinion = self._kept.get(key, (0, None))
            if opinion is None or self.desk.clock.now_ns() >= until:
                self._kept.pop(key, None)
                return None
            self._kept.move_to_end(key)
            return replace(opinion, cached=True, ms=0)

    def _keep(self, key: str, judge: Judge, opinion: Opinion) -> None:
        if judge.cache_s:
            with _TURN:
                self._kept[key] = (self.desk.clock.now_ns() + round(judge.cache_s * SECOND), opinion)
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)

    # -- asking

    def _running(self) -> asyncio.AbstractEventLoop:
        with _TURN:
            if self._loop is None or self._pid != os.getpid():  # a child of a fork has none of our threads
                self._pid, self._clients, self._free = os.getpid(), {}, {}
                self._loop = loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=lambda: self._serve(loop), name="judges", daemon=True)
                with within(None):  # it outlives the run that begins it
                    self._thread.start()
            return self._loop

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            loop.run_until_complete(self._end())
            loop.close()

    async def _end(self) -> None:
        """Every call under way ends, and is on record, before the ledger closes."""
        under_way = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        for client in self._clients.values():
            await client.close()
        await asyncio.get_running_loop().shutdown_default_executor()

    async def _opinion(self, asked: Asked, key: str) -> Opinion:
        """What a judge says, within its time; never raises but where nobody waits any more."""
        judge, clock = asked.judge, self.desk.clock
        free = self._free.setdefault(judge.name, asyncio.Semaphore(AT_ONCE))
        began, call, why = clock.monotonic_ns(), [""], ""
        word: Word
        which: tuple[int, ...] = ()
        try:
            client = self._client(_provider(judge, providers_of(self.desk.settings)))
            async with asyncio.timeout(judge.within_s), free:
                word, which = await self._ask(client, asked, key, call)
        except TimeoutError:
            word = "slow"
        except (Unheard, SettingsError) as error:
            word, why = "broken", str(error)
        except Exception as error:  # noqa: BLE001 - whatever a client raises, its judge has not said yes or no
            word, why = "broken", _why(error, call)
        ms = max((clock.monotonic_ns() - began) // 1_000_000, 0)
        opinion = Opinion(judge.name, word, which, why, call[0], ms)
        if word in ("yes", "no", "unsure"):
            self._keep(key, judge, opinion)
        return opinion

    async def _ask(self, client: Any, asked: Asked, key: str, call: list[str]) -> tuple[Word, tuple[int, ...]]:
        judge, question = asked.judge, asked.question
        mark = mark_for(self.desk.ledger.digest(f"mark\0{key}".encode()), asked.shown)
        client = client.with_options(max_retries=judge.tries - 1, timeout=judge.within_s)
        with within(_scope(asked)):
            answer = await client.chat.completions.with_raw_response.create(
                model=judge.model,
                messages=[
                    {"role": "system", "content": instructions(question, mark)},
                    {"role": "user", "content": exhibit(asked.shown, mark)},
                ],
                response_format={
                    "type": "json_schema",
                    "json_schema": {"name": "judgement", "strict": True, "schema": shape(question)},
                },
                **_size(judge),
            )
        call[0] = answer.headers.get("comptroller-call", "")
        return _read(answer.parse(), question)

    def _client(self, provider: Provider) -> Any:
        secret = secret_of(provider) or "none"  # the client insists on one; a server that wants none reads none
        known = self._clients.get((provider.url, secret))
        if known is None:
            known = self._clients[provider.url, secret] = _made(provider.url, secret, self.desk)
        return known


def _made(url: str, secret: str, desk: "Desk") -> Any:
    from comptroller.wrapper.wrap import govern

    try:
        with LOADING:
            import openai
    except ImportError:
        raise Unheard("the package openai is not installed. pip install 'comptroller[judges]'") from None
    http = openai.DefaultAsyncHttpxClient(follow_redirects=False)
    return govern(openai.AsyncOpenAI(api_key=secret, base_url=url, http_client=http), desk)


def _provider(judge: Judge, providers: Sequence[Provider]) -> Provider:
    for provider in providers:
        named = provider.name == judge.upstream if judge.upstream else any_of(provider.models)(judge.model)
        if provider.format == "openai" and named:
            return provider
    raise Unheard(f"no upstream of the format openai takes the model {judge.model}")


def _scope(asked: Asked) -> Scope:
    """The judge's own place in the run it judges, beneath the call it judges."""
    judge, run = asked.judge, asked.run
    identity = replace(asked.identity, agent=AGENT + judge.name, parent=asked.call, scopes=None)
    caps = run.caps
    if judge.cap is not None:
        default = identity.tenant in ("", "default")
        caps = (*caps, judge.cap if default else replace(judge.cap, who=f"{identity.tenant}/{judge.name}"))
    return Scope(identity, RunState(run.id, run.trace, Boundary(), caps=caps, flow=run.flow, bench=asked.identity))


def _size(judge: Judge) -> dict[str, Any]:
    if any_of(REASONING)(judge.model):
        return {"max_completion_tokens": judge.max_tokens + THINKS}
    return {"max_tokens": judge.max_tokens, "temperature": 0}


def _read(answer: Any, question: Question) -> tuple[Word, tuple[int, ...]]:
    message = answer.choices[0].message if getattr(answer, "choices", None) else None
    if message is None or not isinstance(message.content, str):
        raise Unheard("it answered nothing" if not getattr(message, "refusal", None) else "it declined to answer")
    try:
        return read(message.content, question)
    except ValueError as error:
        raise Unheard(str(error)) from None


def _why(error: Exception, call: list[str]) -> str:
    """What a failed call is told as: kinds and codes, never a text of somebody else's."""
    response = getattr(error, "response", None)
    call[0] = response.headers.get("comptroller-call", "") if response is not None else ""
    code, status = getattr(error, "code", None), getattr(error, "status_code", None)
    if call[0] and isinstance(code, str) and hasattr(error, "details"):
        return f"its call was refused: {code}"
    return f"it answered {status}" if status is not None else type(error).__name__
