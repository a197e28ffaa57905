"""Loading policies: every mistake of every file is told at once, and nothing is half-loaded."""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from comptroller.core.judges import Reach
from comptroller.core.mistakes import Mistake, did_you_mean
from comptroller.core.source import MAX_BYTES, Lines, Source, read_source
from comptroller.policies.book import Book, PolicyFile
from comptroller.policies.compile import NAMELESS, Compiler, Draft, Known
from comptroller.policies.document import Document
from comptroller.policies.explain import explain
from comptroller.policies.mistakes import PolicyErrors
from comptroller.policies.schemas import Schema

PACKS = Path(__file__).parent / "packs"

Named = str | Path | tuple[str, str]
_SECTIONS = ("rules", "budgets", "limits", "tests", "tools", "agents", "guards", "judges")
_Step = str | int
_Path = tuple[_Step, ...]


def load_policies(
    sources: Sequence[Named],
    currencies: frozenset[str] | None = None,
    guards: frozenset[str] | None = None,
    described: Iterable[Schema] = (),
    kinds: frozenset[str] | None = None,
    reach: Reach | None = None,
) -> Book:
    """Compile files, folders (all .yaml and .yml in them, sorted), `pack:NAME` or pairs of name and text into a book.

    With `currencies`, a cap in another is a mistake; with `guards`, a guard of another name is, and with `kinds` a
    finding of another. Rules for tools that are `described`, and of whose arguments no table speaks, are checked
    against that; a judge that is out of `reach` is a mistake. Raises PolicyErrors with everything that is wrong.
    """
    mistakes: list[Mistake] = []
    drafts = []
    for name, text in _texts(sources, mistakes):
        draft = _draft(name, text, mistakes)
        if draft is not None:
            drafts.append(draft)
    tools = {one.name: one.table() for one in described}
    compiler = Compiler(drafts, Known(currencies, guards, kinds, tools, reach), mistakes)
    policies = compiler.compile()
    if mistakes:
        raise PolicyErrors(mistakes)
    return Book(policies)


def files_in(folder: Path) -> list[Path]:
    """The policy files of a folder and the folders in it, in order of their paths."""
    return sorted(path for path in folder.rglob("*") if path.suffix in (".yaml", ".yml") and path.is_file())


def packs() -> list[str]:
    """The names of the packs that come with us."""
    return sorted(path.stem for path in PACKS.glob("*.yaml"))


def _texts(sources: Sequence[Named], mistakes: list[Mistake]) -> Iterator[tuple[str, str | bytes]]:
    for source in sources:
        if isinstance(source, tuple):
            yield source
        elif Path(source).name.startswith("pack:"):  # settings put their folder before every path
            yield from _pack(Path(source).name.removeprefix("pack:"), mistakes)
        elif Path(source).is_dir():
            found = files_in(Path(source))
            if not found:
                mistakes.append(Mistake(str(source), 1, "The folder holds no policy. Put a .yaml file there."))
            for path in found:
                yield from _file(path, mistakes)
        else:
            yield from _file(Path(source), mistakes)


def _pack(name: str, mistakes: list[Mistake]) -> Iterator[tuple[str, str | bytes]]:
    path = PACKS / f"{name}.yaml"
    if name not in packs():
        mistakes.append(Mistake(f"pack:{name}", 1, f"There is no pack `{name}`. {did_you_mean(name, packs())}"))
    else:
        yield f"pack:{name}", path.read_bytes()


def _file(path: Path, mistakes: list[Mistake]) -> Iterator[tuple[str, str | bytes]]:
    try:
        with path.open("rb") as file:
            yield str(path), file.read(MAX_BYTES + 1)  # no more than is needed to see that it is too much
    except FileNotFoundError:
        mistakes.append(Mistake(str(path), 1, "There is no such file. Check the path, or take it off the list."))
    except OSError as error:
        mistakes.append(Mistake(str(path), 1, f"The file cannot be read: {error.strerror}. Check its permissions."))


def _draft(name: str, text: str | bytes, mistakes: list[Mistake]) -> Draft | None:
    source = read_source(name, text)
    mistakes += source.mistakes
    document = _document(source, mistakes)
    if document is None:
        return None
    plain = text if isinstance(text, str) else text.decode("utf-8-sig")
    digest = sha256(plain.encode("utf-8")).hexdigest()
    return Draft(PolicyFile(name, digest, plain), document, source.lines)


def _document(source: Source, mistakes: list[Mistake]) -> Document | None:
    """The checked frame. What is wrong is told and cut out, so that the rest of the file is still looked at."""
    if not source.values:
        if not source.mistakes:
            mistakes.append(Mistake(source.name, 1, "The file is empty. Begin with `policy: NAME`."))
        return None
    for section in _SECTIONS:  # `rules:` with nothing under it yet is no mistake
        if section in source.values and source.values[section] is None:
            del source.values[section]
    for _ in range(2):
        try:
            return Document.model_validate(source.values)
        except ValidationError as error:
            found = error.errors()
        for item in found:
            line = source.lines.find(item["loc"])
            mistake = Mistake(source.name, line, explain(item))
            if mistake not in mistakes:
                mistakes.append(mistake)
        _cut(source.values, source.lines, [(item["type"], item["loc"]) for item in found])
    return None


def _cut(values: dict[str, Any], lines: Lines, wrong: list[tuple[str, _Path]]) -> None:
    """Take what is wrong out of the values, and out of their lines alike."""
    for _, path in wrong:
        if path[:1] == ("rules",) and path[2:] == ("then",):
            values["rules"][path[1]]["then"] = "deny"  # so that the rest of the rule is looked at
    whole = {_unit(kind, path) for kind, path in wrong}
    for path in sorted(whole, key=lambda path: [(isinstance(s, str), s) for s in path], reverse=True):
        _remove(values, lines, path)
    if not isinstance(values.get("policy"), str):
        values["policy"] = NAMELESS


def _unit(kind: str, path: _Path) -> _Path:
    """The smallest thing that can be taken out and leave a whole frame behind; nothing where it was mended."""
    section, field = path[0], path[2] if len(path) > 2 else None
    if section == "rules" and field not in (None, "id", "on", "when"):
        return () if field == "then" else path[:3]
    if section == "tools" and field is not None:
        return path[:3]
    if kind == "extra_forbidden":
        return path
    return path[:2] if section in _SECTIONS else path[:1]


def _remove(values: Any, lines: Lines, path: _Path) -> None:
    for step in path[:-1]:
        if not _holds(values, step) or step not in lines.items:
            return
        values, lines = values[step], lines.items[step]
    last = path[-1] if path else None
    if last is None or not _holds(values, last):
        return
    del values[last]
    if isinstance(last, int):
        kept = [item for number, item in sorted(lines.items.items()) if number != last]
        lines.items = dict(enumerate(kept))
    else:
        lines.items.pop(last, None)
        lines.keys.pop(last, None)


def _holds(values: Any, step: _Step) -> bool:
    if isinstance(values, dict):
        return step in values
    return isinstance(values, list) and isinstance(step, int) and step < len(values)
