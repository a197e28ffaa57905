"""The tools of the house: governed functions, some of which ask other systems over HTTP."""

import inspect
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from comptroller.cli.demo_world.script import Tool, filled
from comptroller.cli.demo_world.talk import sdk
from comptroller.wrapper.tools import tool as governed
from comptroller.wrapper.wrap import wrap

Pause = Callable[[float], None]
CONFLICT = 409


class ToolFailed(Exception):
    """A system did not do what it was asked for."""


class Toolbox:
    """All tools by name, each checked before it runs."""

    def __init__(self, tools: Mapping[str, Tool], pause: Pause) -> None:
        self.tools, self._pause = tools, pause
        http = sdk("httpx2")
        self._http = wrap(http.Client(transport=http.MockTransport(self._served)))
        self._made = {name: self._governed(name, tool) for name, tool in tools.items()}

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def offered(self, names: list[str]) -> dict[str, Tool]:
        """Those that an agent offers to its model."""
        return {name: self.tools[name] for name in names}

    def call(self, name: str, args: Mapping[str, Any]) -> str:
        """Use a tool; raises its failure, or the refusal."""
        result = self._made[name](**args)
        return result if isinstance(result, str) else json.dumps(result)

    def plain(self, name: str, args: Mapping[str, Any]) -> str:
        """What such a tool would say to an agent elsewhere, which runs its own."""
        tool = self.tools[name]
        result = _failing(tool, args) or filled(tool.returns, dict(args))
        return result if isinstance(result, str) else json.dumps(result)

    def _governed(self, name: str, tool: Tool) -> Callable[..., Any]:
        def work(**args: Any) -> Any:
            self._pause(tool.takes)
            if tool.service:
                return self._ask(tool, args)
            if why := _failing(tool, args):
                raise ToolFailed(why)
            return filled(tool.returns, args)

        work.__name__ = name
        kinds = [inspect.Parameter(arg, inspect.Parameter.KEYWORD_ONLY) for arg in tool.args]
        work.__signature__ = inspect.Signature(kinds)  # type: ignore[attr-defined]
        made: Callable[..., Any] = governed(effect=tool.effect, name=name, scope=tool.scope)(work)  # type: ignore[call-overload]
        return made

    def _ask(self, tool: Tool, args: Mapping[str, Any]) -> Any:
        """Over HTTP, through a wrapped client: what it asks and what comes back is on record like any other call."""
        method, _, url = tool.service.partition(" ")
        reply = self._http.request(method, filled(url, dict(args)), json=dict(args))
        if reply.status_code >= 400:
            raise ToolFailed(f"{reply.status_code} from {reply.request.url.host}: {reply.json()['error']}")
        return reply.json()

    def _served(self, request: Any) -> Any:
        """The other systems of the house, each at its own address."""
        args, response = json.loads(request.content), sdk("httpx2").Response
        tool = next(
            tool
            for tool in self.tools.values()
            if tool.service and filled(tool.service, args).endswith(str(request.url))
        )
        if why := _failing(tool, args):
            return response(CONFLICT, json={"error": why})
        return response(200, json=filled(tool.returns, args))


def _failing(tool: Tool, args: Mapping[str, Any]) -> str:
    told = json.dumps(dict(args), sort_keys=True)
    return next((str(filled(why, dict(args))) for seen, why in tool.fails.items() if re.search(seen, told)), "")
