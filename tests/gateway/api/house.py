"""A ledger with a few runs of two tenants in it, and `/api` on it without a process around."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from comptroller.core.settings import Settings
from comptroller.gateway.api.app import application
from comptroller.gateway.api.bureau import Bureau
from comptroller.gateway.api.rights import RIGHTS
from comptroller.office.switchboard import TOKEN, WHO
from comptroller.office.who import Who, packed
from comptroller.testing.upstream import Upstream
from comptroller.wrapper.desk import Desk, set_desk
from comptroller.wrapper.run import Run
from comptroller.wrapper.wrap import wrap

POLICY = """
policy: spend
budgets:
  - {per: customer, cap: 5 USD, every: month}
  - {per: run, cap: 1 USD}
  - {per: tenant, cap: 100 calls, every: day}
rules:
  - {id: no-bribes, on: outcome, when: outcome.type == "bribe", then: deny, because: We do not bribe.}
"""
ALL = tuple(sorted(RIGHTS))
OURS, THEIRS = Who("ours", rights=ALL), Who("theirs", rights=ALL)
MODEL = {"model": "gpt-4o-mini", "max_tokens": 50}


@dataclass
class Answer:
    status: int
    body: bytes
    headers: httpx.Headers

    def __getitem__(self, name: str) -> Any:
        return json.loads(self.body)[name]

    @property
    def error(self) -> Mapping[str, str]:
        return self["error"]  # type: ignore[no-any-return]


@dataclass
class Api:
    bureau: Bureau
    runs: list[str]  # two of ours (acme, bolt), one of theirs
    token: str = "t"

    def ask(self, method: str, path: str, who: Who = OURS, body: Any = None, **headers: str) -> Answer:
        app = application(self.bureau, self.token)
        sent = {TOKEN: self.token, WHO: packed(who).decode(), **headers}

        async def go() -> httpx.Response:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                more = {"content": body} if isinstance(body, bytes) else {} if body is None else {"json": body}
                return await client.request(method, path, headers=sent, **more)

        found = asyncio.run(go())
        return Answer(found.status_code, found.content, found.headers)

    def get(self, path: str, who: Who = OURS) -> Answer:
        return self.ask("GET", path, who)

    def post(self, path: str, body: Any, who: Who = OURS, **headers: str) -> Answer:
        return self.ask("POST", path, who, body, **headers)


@contextmanager
def api(place: Path) -> Iterator[Api]:
    """The ledger is filled through the wrapper, as agents fill it."""
    (place / "spend.yaml").write_text(POLICY)
    settings: dict[str, object] = {"policies": [str(place / "spend.yaml")], "tenant": "ours"}
    with Upstream("Hello.") as up, Desk.open(place / "ledger", settings) as desk:
        runs, before = [], set_desk(desk)
        for tenant, customer in (("ours", "acme"), ("ours", "bolt"), ("theirs", "acme")):
            with Run("loans", customer=customer, tenant=tenant, desk=desk) as run, run.agent("clerk"):
                client = wrap(httpx.Client(base_url=up.url, trust_env=False, timeout=60))
                asked = {**MODEL, "messages": [{"role": "user", "content": f"Hello from {customer}"}]}
                client.post("/v1/chat/completions", json=asked).raise_for_status()
                client.close()
                run.claim("loan.decided", subject=customer)
            runs.append(run.id)
        set_desk(before)
        chosen = Settings.model_validate({**settings, "ledger": str(place / "ledger")})
        bureau = Bureau(chosen)
        try:
            yield Api(bureau, runs)
        finally:
            bureau.close()
