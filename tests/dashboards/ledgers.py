"""Ledgers as the pages meet them: just made, tiny, and one in which every outsider wrote what they should not have."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx

from comptroller.core.errors import ComptrollerError
from comptroller.testing.script import Received, Say, Use
from comptroller.testing.upstream import Upstream
from comptroller.wrapper.desk import Desk, set_desk
from comptroller.wrapper.run import Run
from comptroller.wrapper.tools import tool
from comptroller.wrapper.wrap import wrap
from tests.dashboards import town
from tests.dashboards.town import Town

MARK = "__outsider"  # what a hostile text sets where anything runs it
STRANGER = "outsider.invalid"
# Each begins as it must to do harm: a formula as a formula.
PAYLOADS = (
    f"<img src=x onerror=\"window.{MARK}='img'\">",
    f"=cmd|'/C calc'!A0 &<svg onload=\"window.{MARK}='svg'\">",
    f"<script>window.{MARK}='script'</script><iframe src=https://{STRANGER}/frame></iframe>",
    f"![a](https://{STRANGER}/a.png) [b](javascript:window.{MARK}='link') **bold** `code` # head\n\n- item",
    f"javascript:window.{MARK}='url'",
    '+1+HYPERLINK("https://outsider.invalid","x") $$\\frac{1}{2}$$ :red[red] :material/key: :smile:',
    "@SUM(1+1)*cmd|' /C calc'!A0 {{7*7}} ${7*7} %s %(x)s {0}",
    "'; DROP TABLE runs; -- \" OR 1=1",
    "-2+3 \u202egnp.exe\u202c \u200b\u200d \u0000 \u0007 \x1b[31m red",
    "👩‍👩‍👧‍👦 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 عربي עברית ก็็็็็็ \ufeff\u2028\u2029 \r\n\ttab",
    f'" autofocus onfocus="window.{MARK}=\'attribute\'" x="',
    f"</style></script></title></textarea>--><style>*{{display:none}}</style><base href=https://{STRANGER}/>",
    "../../../../etc/passwd?x=1&y=2#z",
)
LONG = "long " + "w" * 100_000
BROKEN = "half \ud83d of a pair"


def empty(place: Path) -> Town:
    """A ledger just made."""
    with Desk.open(place / "ledger", {}):
        pass
    return Town(place / "ledger", {})


def tiny(place: Path) -> Town:
    """One run with one call."""
    made = Town(place / "ledger", {})
    with Upstream("Hello.") as up, Desk.open(made.ledger, {}) as desk:
        before = set_desk(desk)  # wrapped clients go by the process's own
        try:
            with Run("greeting") as run, wrap(httpx.Client(base_url=up.url, trust_env=False, timeout=60)) as client:
                asked = {"model": "gpt-4o", "max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}]}
                client.post("/v1/chat/completions", json=asked).raise_for_status()
        finally:
            set_desk(before)
        made.ids["run"] = run.id
    return made


def hostile(place: Path) -> Town:
    """The town in hostile words; and for each of them a run that has it in every text of an outsider."""
    made = town.build(place, _said())
    with Upstream(_echo) as up, Desk.open(made.ledger, made.config) as desk:
        before = set_desk(desk)
        client = wrap(httpx.Client(base_url=up.url, trust_env=False, timeout=60))
        for nth, text in enumerate((*PAYLOADS, LONG, BROKEN)):
            made.ids[f"odd {nth}"] = _odd(desk, client, text)
        client.close()
        set_desk(before)
    return made


def _said() -> Callable[[str], str]:
    """The same hostile text for the same word each time, another one for each word."""
    known: dict[str, str] = {}

    def said(word: str) -> str:
        text = PAYLOADS[len(known) % len(PAYLOADS)]
        return known.setdefault(word, f"{text} {word}")

    return said


def _odd(desk: Desk, client: httpx.Client, text: str) -> str:
    """A run in which everything an agent, its model and its tools may say is this text."""

    @tool(name=text, effect="external")
    def odd(**args: object) -> object:
        if args.get("fail"):
            raise RuntimeError(text)
        return {text: [text, {"deeper": text}]}

    run = Run(text, customer=text, user=text, desk=desk)
    with suppress(RuntimeError, ComptrollerError, httpx.HTTPError, UnicodeError), run, run.agent(text):
        with suppress(UnicodeError, ComptrollerError):
            _call(client, text)
        odd(**{text: text})
        with suppress(UnicodeError, ComptrollerError):
            run.claim("refund.resolved", subject=text, evidence={"paid": True, text: text})
        odd(fail=True, **{text: text})
    return run.id


def _call(client: httpx.Client, text: str) -> None:
    """A call of a model that answers likewise, and one that fails with it."""
    said = [{"role": "system", "content": text}, {"role": "user", "content": [{"type": "text", "text": text}]}]
    offered = [{"type": "function", "function": {"name": text, "description": text, "parameters": {}}}]
    for model in ("gpt-4o", text):
        asked = {"model": model, "max_tokens": 50, "messages": said, "tools": offered, "user": text}
        client.post("/v1/chat/completions", content=json.dumps(asked), headers={"content-type": "application/json"})


def _echo(asked: Received) -> Say:
    """Say what was said; to a model nobody knows, fail with it."""
    if asked.model != "gpt-4o":
        return Say(asked.last, status=400)
    return Say(asked.last, calls=[Use(asked.last, {asked.last: asked.last})])
