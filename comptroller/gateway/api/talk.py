"""What was said up to the end of a call: every message of its request, also those that earlier calls had sent."""

from typing import Any

from pydantic import Field

from comptroller.gateway.api.frame import Ask, Route
from comptroller.gateway.api.problem import Problem
from comptroller.gateway.api.rights import BODIES
from comptroller.gateway.api.shapes import Said, Told
from comptroller.office.account import body_of
from comptroller.office.steps import texts_of
from comptroller.tracing.texts import Texts

MOST = 2_000  # messages of one answer: the latest


class Conversation(Told):
    """Messages as they were kept, in order; null where one was not kept, or was erased."""

    call: str
    run: str
    left_out: int = Field(description="Messages before the first one here.")
    request: list[Any]
    reply: list[Any]


def show_conversation(ask: Ask) -> Conversation:
    """All that was said up to the end of a call."""
    reader, vault = ask.bureau.reader, ask.bureau.bodies
    rows = [row for row in reader.rows("call", call=ask.path["call"]) if ask.who.sees(row)]
    if not rows:
        raise Problem(
            404, "not_found", f"There is no ended call {ask.path['call'][:128]!r}.", "List them with GET /api/calls."
        )
    row: dict[str, Any] = rows[0]
    asked = Texts(texts_of(reader.rows, row["run"])).request(row["call"])
    return Conversation(
        call=row["call"],
        run=row["run"],
        left_out=max(len(asked) - MOST, 0),
        request=[body_of(vault, digest) for digest in asked[-MOST:]],
        reply=[body_of(vault, digest) for digest in row["reply"] or ()],
    )


ROUTES = (
    Route(
        "GET",
        "/api/calls/{call}/conversation",
        "All that was said up to the end of a call.",
        BODIES,
        show_conversation,
        Conversation,
        Said,
        fails=(404,),
    ),
)
