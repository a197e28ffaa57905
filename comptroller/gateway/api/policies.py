"""Policies: the version in force, and those that were."""

from typing import Annotated

from pydantic import Field

from comptroller.gateway.api.frame import Ask, Route
from comptroller.gateway.api.rights import READ
from comptroller.gateway.api.shapes import Moment, Said, Told, pick


class PolicyFile(Told):
    """A file of a version."""

    path: str
    digest: str


class PolicyVersion(Told):
    """A version that was in force, and since when first."""

    version: str
    since: Moment
    rules: int
    paths: list[str]


class PolicyState(Told):
    """What is in force now, and what was, the latest first."""

    version: str
    rules: int
    files: list[PolicyFile]
    versions: list[PolicyVersion]


class PoliciesAsked(Said):
    """How far back."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 20


def show_policies(ask: Ask) -> PolicyState:
    """The version in force and those before it."""
    book = ask.bureau.book
    rows = ask.bureau.reader.rows("policy_versions", limit=ask.query.limit)
    return PolicyState(
        version=book.version,
        rules=book.rules,
        files=[PolicyFile(path=file.path, digest=file.digest) for file in book.files],
        versions=[pick(PolicyVersion, row) for row in rows],
    )


ROUTES = (Route("GET", "/api/policies", "The policies in force.", READ, show_policies, PolicyState, PoliciesAsked),)
