"""The supervisor of several workers: it owns the ledger and what they share, starts them, and starts them again."""

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from comptroller.core.errors import ComptrollerError, SettingsError, StoreError
from comptroller.gateway.board import Board
from comptroller.gateway.channel import Apart, Channel
from comptroller.gateway.meters import Meters
from comptroller.gateway.server import loop_factory
from comptroller.wrapper.desk import Desk

log = logging.getLogger("comptroller.gateway")
START_S = 60  # to become ready
SPARE_S = 10  # for a worker to end, beyond what its calls may take
ANSWER_S = 2.0  # a worker that says nothing for so long is not waited for
SHORT_LIFE_S = 10.0  # a worker that ends sooner is started again a little later each time
LONGEST_WAIT_S = 5.0


class Order(msgspec.Struct):
    """What a worker is told on its command line."""

    number: int
    listener: int  # file descriptors
    line: int
    ledger: str
    config: str = ""
    certfile: str = ""
    keyfile: str = ""


class Post:
    """One worker process and the line to it."""

    def __init__(self, number: int) -> None:
        loop = asyncio.get_running_loop()
        self.number = number
        self.process: asyncio.subprocess.Process
        self.channel: Channel
        self.ready: asyncio.Future[None] = loop.create_future()
        self.apart: asyncio.Future[None] = loop.create_future()
        self.began = loop.time()
        self.state: list[Any] | None = None  # what it has counted, as of late

    @property
    def serving(self) -> bool:
        """True once it is ready, as long as it is there."""
        return self.ready.done() and not self.apart.done()


class Crew:
    """Workers behind one listening socket; no HTTP is spoken here, so nothing a client does can stop it."""

    def __init__(
        self, desk: Desk, listener: socket.socket, workers: int, config: str = "", certfile: str = "", keyfile: str = ""
    ) -> None:
        self.desk, self.listener, self.wanted = desk, listener, workers
        self._config, self._certfile, self._keyfile = config, certfile, keyfile
        self.board = Board(desk, self._tell, self._ask)
        self._posts: dict[int, Post] = {}
        self._numbers = 0
        self._retired = Meters()
        self._stopping = asyncio.Event()
        # All workers have to hash alike to know each other's conversations, and in a way that nobody can guess.
        self._environment = {**os.environ, "PYTHONHASHSEED": str(secrets.randbelow(2**32 - 1) + 1)}

    async def serve(self, started: Callable[[], None] | None = None) -> None:
        """Keep the workers at work until told to stop; then let them finish."""
        tasks: list[asyncio.Task[None]] = []
        with self._signals():
            try:
                posts = await self._hire_all()
                if started is not None:
                    started()
                tasks = [asyncio.create_task(self._tend(post)) for post in posts]
                tasks.append(asyncio.create_task(self._keep_up()))
                await self._stopping.wait()
            finally:
                self._stopping.set()
                await self._dismiss()
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                self.board.close()

    def stop(self) -> None:
        """Take no more calls and let those under way finish; told twice, end at once."""
        if self._stopping.is_set():
            for post in self._posts.values():
                with contextlib.suppress(ProcessLookupError):
                    post.process.kill()
        self._stopping.set()

    # -- workers

    async def _hire_all(self) -> list[Post]:
        made = await asyncio.gather(*[self._hire() for _ in range(self.wanted)], return_exceptions=True)
        for one in made:
            if isinstance(one, BaseException):
                raise one
        return [post for post in made if isinstance(post, Post)]

    async def _hire(self) -> Post:
        """Start a worker and wait until it serves; raises what it says is in the way."""
        self._numbers += 1
        post = Post(self._numbers)
        ours, theirs = socket.socketpair()
        with theirs:
            order = Order(
                post.number,
                self.listener.fileno(),
                theirs.fileno(),
                self.desk.settings.ledger,
                self._config,
                self._certfile,
                self._keyfile,
            )
            post.channel = await Channel.over(ours, self._answers(post), partial(self._ended, post))
            post.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "comptroller.gateway.worker",
                msgspec.json.encode(order).decode(),
                pass_fds=(order.listener, order.line),
                env=self._environment,
            )
        self._posts[post.number] = post
        try:
            await asyncio.wait_for(post.ready, START_S)
        except BaseException as error:
            with contextlib.suppress(ProcessLookupError):
                post.process.kill()
            await post.process.wait()
            if isinstance(error, TimeoutError):
                raise SettingsError(f"A worker was not ready after {START_S} s. Look at what it logged.") from None
            raise
        return post

    async def _tend(self, post: Post) -> None:
        """See to it that one worker is there: when it ends, another one is started."""
        short = 0
        while True:
            code = await post.process.wait()
            await post.apart
            if self._stopping.is_set():
                return
            lived = asyncio.get_running_loop().time() - post.began
            short = short + 1 if lived < SHORT_LIFE_S else 0
            log.error("Worker %d ended (%s); another one is started.", post.process.pid, _ending(code))
            await asyncio.sleep(min(0.1 * 2**short, LONGEST_WAIT_S) if short > 1 else 0)
            post = await self._replace()

    async def _replace(self) -> Post:
        """A new worker, however often it takes: what is in the way may be mended while the others serve."""
        while True:
            try:
                return await self._hire()
            except (ComptrollerError, OSError) as error:
                log.error("A worker could not be started and is tried again: %s", error)
                await asyncio.sleep(LONGEST_WAIT_S)

    def _ended(self, post: Post) -> None:
        if not post.ready.done():
            post.ready.set_exception(SettingsError("A worker ended before it was ready. Look at what it logged."))
            post.ready.exception()  # it may be that nobody waits for it any more
        if post.state is not None:
            post.state[-1] = 0  # nothing is under way there any more
            self._retired.add(post.state)
        self.board.gone(post.number)
        self._posts.pop(post.number, None)
        post.apart.set_result(None)

    async def _dismiss(self) -> None:
        posts = list(self._posts.values())
        for post in posts:
            post.channel.tell("stop")
        waiting = [asyncio.ensure_future(post.process.wait()) for post in posts]
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=self.desk.settings.gateway.stop_s + SPARE_S)
            for post, wait in zip(posts, waiting, strict=True):
                if wait in late:
                    log.error("Worker %d does not end and is killed.", post.process.pid)
                    post.process.kill()
            await asyncio.gather(*waiting)
        await asyncio.gather(*[post.apart for post in posts])

    async def _keep_up(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            try:
                self.board.sweep()
            except StoreError as error:
                log.error("Upkeep failed, and will be tried again: %s", error)

    # -- what workers ask

    def _answers(self, post: Post) -> dict[str, Callable[..., Any]]:
        board, number = self.board, post.number
        answers: dict[str, Callable[..., Any]] = {
            name: partial(getattr(board, name), number)
            for name in ("look", "enter", "remember", "agent", "lower", "answered", "leave", "opened", "finish")
        }
        answers["claim"], answers["keep"] = partial(board.replies.claim, number), partial(board.replies.keep, number)
        answers["add"] = board.counters.add
        for name, method in (("ready", self._ready), ("failed", self._failed), ("state", self._said)):
            answers[name] = partial(method, post)
        answers["counted"], answers["wrong"] = partial(self._counted, post), partial(self._wrong, post)
        return answers

    def _ready(self, post: Post) -> None:
        if not post.ready.done():
            post.ready.set_result(None)

    def _failed(self, post: Post, why: str) -> None:
        if not post.ready.done():
            post.ready.set_exception(SettingsError(why))

    def _said(self, post: Post, state: list[Any]) -> None:
        post.state = state

    async def _counted(self, asking: Post, state: list[Any]) -> list[Any]:
        """What all workers have counted, those that are gone as well."""
        asking.state = state
        others = [post for post in self._posts.values() if post is not asking and post.serving]
        for post, said in zip(others, await self._all(others, "counts"), strict=True):
            post.state = said or post.state
        total = Meters()
        total.add(self._retired.state())
        for post in self._posts.values():
            if post.state is not None:
                total.add(post.state)
        return [total.state(), len(self.board.runs), sum(post.serving for post in self._posts.values())]

    async def _wrong(self, asking: Post) -> list[list[str]]:
        """What is wrong with the other workers."""
        others = [post for post in self._posts.values() if post is not asking and post.serving]
        found: list[list[str]] = []
        for post, said in zip(others, await self._all(others, "trouble"), strict=True):
            if said is None:
                found.append(["worker", f"Worker {post.process.pid} does not answer."])
            else:
                found += said
        return found

    async def _all(self, posts: list[Post], name: str) -> list[Any]:
        """What each answers in good time, else None."""

        async def one(post: Post) -> Any:
            try:
                return await asyncio.wait_for(post.channel.ask(name), ANSWER_S)
            except (Apart, TimeoutError):
                return None

        return await asyncio.gather(*[one(post) for post in posts])

    def _tell(self, number: int, name: str, *args: Any) -> None:
        if number in self._posts:
            self._posts[number].channel.tell(name, *args)

    async def _ask(self, number: int, name: str, *args: Any) -> Any:
        if number not in self._posts:
            raise Apart
        return await asyncio.wait_for(self._posts[number].channel.ask(name, *args), ANSWER_S)

    @contextlib.contextmanager
    def _signals(self) -> Any:
        loop = asyncio.get_running_loop()
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        for sig in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(sig, self.stop)
        try:
            yield
        finally:
            for sig in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(sig)


def run_crew(make: Callable[[], Crew], started: Callable[[], None] | None = None) -> None:
    """Supervise in this thread until told to stop."""

    async def work() -> None:
        await make().serve(started)

    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(work())


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
