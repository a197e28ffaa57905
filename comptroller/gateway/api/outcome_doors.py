"""Two doors without a key: a customer's link, and the answer of a system of record. What comes in is signed."""

from html import escape
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from comptroller.core.outcome import OutcomeEvent
from comptroller.gateway.api.bureau import Bureau
from comptroller.gateway.api.frame import Ask, Route
from comptroller.gateway.api.problem import Problem
from comptroller.gateway.api.shapes import Nothing, Told
from comptroller.metering.outcome_frame import Check
from comptroller.office.links import BadLink, answer, read_link
from comptroller.office.outcomes import Registry
from comptroller.office.verifiers import callback
from comptroller.office.verifiers.callback import question_id

MOST = 65_536  # bytes of what is sent here
_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "x-frame-options": "DENY",
    "x-robots-tag": "noindex",
}
_PAGE = (
    "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
    "<title>{title}</title><style>body{{font:17px/1.5 system-ui;max-width:34em;margin:12vh auto;padding:0 1em}}"
    "button{{font:inherit;padding:.5em 1.2em;margin:1em .6em 0 0}}</style><h1>{title}</h1>{body}"
)
_FORM = (
    "<form method=post><button name=answer value=confirm>Yes, it was</button>"
    "<button name=answer value=reject>No</button></form>"
)


class Answered(Told):
    """What was said."""

    outcome: str
    state: str


async def show_link(ask: Ask) -> Response:
    """Ask the customer. Looking changes nothing: mail programs look at every link."""
    return await run_in_threadpool(_asked, ask.bureau, ask.path["token"])


async def use_link(ask: Ask) -> Response:
    """Take the customer's answer, once."""
    said = parse_qs((await _body(ask.request)).decode("utf-8", "replace"), max_num_fields=10)
    word = said.get("answer", [""])[0]
    if word not in ("confirm", "reject"):
        return _page("Nothing was said", "<p>Go back and choose one of the two.</p>", 400)
    return await run_in_threadpool(_answered, ask.bureau, ask.path["token"], word == "confirm")


async def hear_callback(ask: Ask) -> Response:
    """Take the answer of a system of record."""
    body, headers = await _body(ask.request), dict(ask.request.headers)
    return await run_in_threadpool(_heard, ask.bureau, ask.path["outcome"], ask.path["check"], headers, body)


def _asked(bureau: Bureau, token: str) -> Response:
    desk = bureau.outcomes
    desk.work_here()
    at = desk.registry.desk
    try:
        link = read_link(at.ledger.digest, at.clock.now_ns(), token)
    except BadLink as error:
        return _page("This link opens nothing", f"<p>{escape(str(error))}</p>", 404)
    outcome = desk.registry.outcomes.get(link.outcome)
    if outcome is None:
        return _page("This link opens nothing", "<p>There is no such outcome any more.</p>", 404)
    type = desk.registry.type(outcome.type)
    means = type.means if type else outcome.type
    told = f"<p>{escape(means)}</p><p>It is about <b>{escape(outcome.subject)}</b>.</p>"
    if outcome.state != "pending":
        return _page("Nothing to confirm", f"{told}<p>It is {escape(outcome.state.replace('_', ' '))}.</p>")
    return _page("Was this done?", told + _FORM)


def _answered(bureau: Bureau, token: str, confirmed: bool) -> Response:
    desk = bureau.outcomes
    desk.work_here()
    try:
        said = answer(desk.registry, token, confirmed)
    except BadLink as error:
        return _page("This was not taken", f"<p>{escape(str(error))}</p>", 409)
    if said.ignored:
        return _page("This was not taken", f"<p>It is on record and changes nothing: {escape(said.ignored)}.</p>", 409)
    return _page("Thank you", "<p>Your answer is on record.</p>")


def _heard(bureau: Bureau, key: str, check_id: str, headers: dict[str, str], body: bytes) -> Response:
    desk = bureau.outcomes
    desk.work_here()
    registry, now = desk.registry, bureau.clock.now_ns()
    outcome = registry.outcomes.get(key)
    type = registry.type(outcome.type) if outcome else None
    checks = type.document.checks if type else ()
    check = next((each for each in checks if each.id == check_id and each.by == "callback"), None)
    if outcome is None or check is None:
        raise Problem(404, "not_found", "Nothing is asked of you here.", "Answer what you were asked.")
    told = callback.read(check, outcome, headers, body, now)
    if told.lies:
        _refuse(registry, outcome.key, check, told.verdict.because, now)
        raise Problem(403, "bad_signature", told.verdict.because, "Sign it with the secret you share.")
    if told.verdict.passed is None:
        raise Problem(400, "no_verdict", told.verdict.because or "It says neither.", "Say pass or fail.")
    made = desk.examiner.tell_verdict(outcome, check.id, told.verdict)
    desk.work_here()
    state = registry.outcomes[key].state if made else outcome.state
    return JSONResponse({"outcome": key, "state": state, "question": question_id(outcome, check.id)})


def _refuse(registry: Registry, key: str, check: Check, because: str, now: int) -> None:
    """Put a lie on record: the first of an hour for each check, so that nobody fills the journal with them."""
    id = f"{key}:lie:{check.id}:{now // 3_600_000_000_000}"
    data: dict[str, object] = {"verifier": check.id, "refused": because}
    if not registry.said(id):
        registry.tell(OutcomeEvent(id, key, "verify_unsure", now, actor="unknown", data=data))


async def _body(request: Request) -> bytes:
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > MOST:
                raise Problem(413, "too_large", "That is more than anybody has to say here.", "Send less.")
            parts.append(part)
    except ClientDisconnect:
        raise Problem(400, "bad_request", "The body ended too soon.", "Send it again.") from None
    return b"".join(parts)


def _page(title: str, body: str, status: int = 200) -> Response:
    return HTMLResponse(_PAGE.format(title=escape(title), body=body), status, _HEADERS)


ROUTES = (
    Route("GET", "/api/confirm/{token}", "Ask the customer.", "", show_link, Nothing, own=True),
    Route("POST", "/api/confirm/{token}", "Take the customer's answer.", "", use_link, Nothing, own=True),
    Route("POST", "/api/callback/{outcome}/{check}", "Take a signed answer.", "", hear_callback, Answered, own=True),
)
