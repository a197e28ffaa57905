"""Claims: an outcome of a run, claimed from outside the agent's process."""

from dataclasses import replace
from typing import Annotated

from pydantic import Field, JsonValue

from comptroller.gateway.api.frame import Ask, Route
from comptroller.gateway.api.problem import Problem
from comptroller.gateway.api.rights import WRITE
from comptroller.gateway.api.runs import RunId, find, said_or_fixed
from comptroller.gateway.api.shapes import PLAIN, Name, Said, Told
from comptroller.store.question import WHOSE
from comptroller.wrapper.boundary import Boundary
from comptroller.wrapper.context import RunState, Scope
from comptroller.wrapper.dataflow import OTHERS
from comptroller.wrapper.run import claim


class Claiming(Said):
    """What was reached, for whom, and what shows it."""

    run: RunId
    type: Annotated[str, Field(min_length=1, max_length=128, pattern=PLAIN)]
    subject: Annotated[str, Field(min_length=1, max_length=256, pattern=PLAIN)]
    evidence: dict[str, JsonValue] = Field(default_factory=dict)
    degree: Annotated[str, Field(pattern=r"^(1|1\.0{1,9}|0\.(0{0,8}[1-9][0-9]{0,8}))$", max_length=11)] = "1"
    agent: Name = ""


class Claimed(Told):
    """The claim is on record."""

    claim: str
    run: str


def claim_outcome(ask: Ask) -> Claimed:
    """Put a claim on record durably; rules on outcomes decide on it as on `run.claim`."""
    said, who, desk = ask.body, ask.who, ask.bureau.desk
    row = find(ask, said.run)
    if row is None or not who.sees(row):
        raise Problem(404, "not_found", f"There is no run {said.run!r}.", "List them with GET /api/runs.", "body.run")
    fixed = {name: row[name] for name in WHOSE}
    identity = replace(who.identity, **fixed, run=row["run"], agent=said_or_fixed(who, "agent", said.agent))
    scope = Scope(identity, RunState(row["run"], row["run"], Boundary()))
    scope.run.flow.lose(OTHERS)
    made = claim(desk, scope, said.type, said.subject, said.evidence, said.degree)
    return Claimed(claim=made, run=row["run"])


ROUTES = (
    Route(
        "POST",
        "/api/claims",
        "Claim an outcome of a run.",
        WRITE,
        claim_outcome,
        Claimed,
        body=Claiming,
        status=201,
        fails=(404, 409),
    ),
)
