"""Policies: the version in force, and those that were."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from difflib import SequenceMatcher
from itertools import takewhile
from typing import Annotated, Any, Literal

from pydantic import Field

from comptroller.gateway.api.frame import Ask, Route
from comptroller.gateway.api.problem import Problem
from comptroller.gateway.api.rights import READ
from comptroller.gateway.api.shapes import Moment, Said, Told, pick
from comptroller.office.versions import loaded
from comptroller.policies.listing import listed
from comptroller.policies.mistakes import PolicyErrors
from comptroller.policies.trial import run_tests

Version = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[\w.-]+$")]


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


class PolicyText(PolicyFile):
    """A file as it was."""

    text: str


class PolicyWhole(Told):
    """A version with the text of its files."""

    version: str
    since: Moment
    rules: int
    files: list[PolicyText]


class DiffAsked(Said):
    """Two versions, and how many lines around each change."""

    before: Version
    after: Version
    around: Annotated[int, Field(ge=0, le=1000)] = 3


class DiffRow(Told):
    """A line: in both, gone or new, with its number on each side; a `gap` stands for lines that are the same."""

    what: Literal["same", "gone", "new", "gap"]
    before: int | None
    after: int | None
    text: str


class FileDiff(Told):
    """A file that differs; a new or removed one has no rows on one side."""

    path: str
    rows: list[DiffRow]


class PolicyDiff(Told):
    """What one version says otherwise than another."""

    before: str
    after: str
    files: list[FileDiff]


class TestRow(Told):
    """A test inside a policy file, and what came of it under the policies in force."""

    policy: str
    place: str
    expected: str
    got: str
    rule: str
    passed: bool
    why: str


class TestList(Told):
    """All tests of the version in force."""

    version: str
    passed: int
    failed: int
    tests: list[TestRow]


class PolicyRule(Told):
    """A rule, guard, budget or whatever else a file says, in its own words; `place` is its file and line."""

    kind: Literal["rule", "guard", "budget", "limit", "loop", "token", "healing", "memory", "judge"]
    policy: str
    id: str
    place: str
    path: str
    line: int
    stage: str
    about: str
    when: str
    then: str
    mode: Literal["enforce", "shadow"]
    because: str


class RuleList(Told):
    """All that a version says, file by file, from top to bottom."""

    version: str
    rules: list[PolicyRule]


def list_rules(ask: Ask) -> RuleList:
    """The rules of one version."""
    version = ask.path["version"]
    _files(ask, version, "")
    try:  # as it was put on record: the files may have moved since
        book = loaded(ask.bureau.reader, version)
    except PolicyErrors as error:
        raise Problem(
            409, "cannot_be_read", f"Version {version[:12]} no longer loads here: {str(error)[:300]}", "See its text."
        ) from None
    assert book is not None, "it has files"
    return RuleList(version=version, rules=[PolicyRule(**asdict(said)) for said in listed(book)])


def show_version(ask: Ask) -> PolicyWhole:
    """One version with its texts."""
    rows = _files(ask, ask.path["version"], "")
    files = [PolicyText(path=row["path"], digest=row["digest"], text=row["text"]) for row in rows]
    return PolicyWhole(version=rows[0]["version"], since=rows[0]["since"], rules=rows[0]["rules"], files=files)


def compare_versions(ask: Ask) -> PolicyDiff:
    """What differs between two."""
    said = ask.query
    sides = [
        {row["path"]: row["text"].splitlines() for row in _files(ask, version, f"query.{name}")}
        for name, version in (("before", said.before), ("after", said.after))
    ]
    before, after = _beside(*sides)
    files = [
        FileDiff(path=path, rows=list(_rows(before.get(path, []), after.get(path, []), said.around)))
        for path in sorted({*before, *after})
        if before.get(path) != after.get(path)
    ]
    return PolicyDiff(before=said.before, after=said.after, files=files)


def _beside(before: dict[str, list[str]], after: dict[str, list[str]]) -> list[dict[str, list[str]]]:
    """The same files by the same paths, also where the folder that holds them all was moved."""
    if not before or not after or before.keys() & after.keys():
        return [before, after]
    return [{_within(path, side): text for path, text in side.items()} for side in (before, after)]


def _within(path: str, paths: Iterable[str]) -> str:
    """A path from the folder on that holds all of them."""
    folders = [_steps(each)[:-1] for each in paths]
    shared = sum(1 for _ in takewhile(lambda steps: len(set(steps)) == 1, zip(*folders, strict=False)))
    return "/".join(_steps(path)[shared:])


def _steps(path: str) -> list[str]:
    return path.replace("\\", "/").split("/")


def run_policy_tests(ask: Ask) -> TestList:
    """The tests inside the files in force."""
    whole_tenant(ask)
    book = ask.bureau.book
    tests = [
        TestRow(
            policy=one.policy,
            place=one.place,
            expected=str(one.expected),
            got=str(one.got),
            rule=one.rule,
            passed=one.passed,
            why=one.why,
        )
        for one in run_tests(book)
    ]
    passed = sum(one.passed for one in tests)
    return TestList(version=book.version, passed=passed, failed=len(tests) - passed, tests=tests)


def _files(ask: Ask, version: str, place: str) -> list[dict[str, Any]]:
    whole_tenant(ask)
    rows: list[dict[str, Any]] = ask.bureau.reader.rows("policy_files", version=version)
    if not rows:
        raise Problem(
            404,
            "not_found",
            f"There was no version {version[:64]!r} of the policies.",
            "List them with GET /api/policies.",
            place,
        )
    latest = {row["path"]: row for row in rows}  # a version that was loaded again has its files again
    return list(latest.values())


def whole_tenant(ask: Ask) -> None:
    """Policies name customers and limits: they are told to whom the whole tenant is."""
    if ask.who.customer or ask.who.user or ask.who.workflow:
        raise Problem(
            403,
            "not_allowed",
            "Policies are the tenant's, and this key is for a part of it.",
            "Use a key for the tenant.",
        )


def _rows(before: list[str], after: list[str], around: int) -> Iterator[DiffRow]:
    """The lines of two texts side by side, long stretches of equal ones left out."""
    steps = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    for number, (step, a, b, c, d) in enumerate(steps):
        if step != "equal":
            yield from (DiffRow(what="gone", before=i + 1, after=None, text=before[i]) for i in range(a, b))
            yield from (DiffRow(what="new", before=None, after=i + 1, text=after[i]) for i in range(c, d))
            continue
        first = around if number else 0
        last = around if number < len(steps) - 1 else 0
        if b - a <= first + last:
            first, last = b - a, 0
        yield from (_same(before, i, c - a) for i in range(a, a + first))
        if b - a > first + last:
            yield DiffRow(what="gap", before=None, after=None, text=f"{b - a - first - last} lines are the same")
        yield from (_same(before, i, c - a) for i in range(b - last, b))


def _same(lines: list[str], at: int, shift: int) -> DiffRow:
    return DiffRow(what="same", before=at + 1, after=at + 1 + shift, text=lines[at])


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


ROUTES = (
    Route("GET", "/api/policies", "The policies in force.", READ, show_policies, PolicyState, PoliciesAsked),
    Route(
        "GET",
        "/api/policies/versions/{version}",
        "One version with the text of its files.",
        READ,
        show_version,
        PolicyWhole,
        fails=(404,),
    ),
    Route(
        "GET",
        "/api/policies/versions/{version}/rules",
        "The rules, guards, budgets and limits of one version, each with its place.",
        READ,
        list_rules,
        RuleList,
        fails=(404, 409),
    ),
    Route(
        "GET",
        "/api/policies/diff",
        "What one version says otherwise than another, line by line.",
        READ,
        compare_versions,
        PolicyDiff,
        DiffAsked,
        fails=(404,),
    ),
    Route(
        "GET",
        "/api/policies/tests",
        "The tests inside the files in force, and what came of them.",
        READ,
        run_policy_tests,
        TestList,
    ),
)
