"""Outcome types: what counts as one, who may say so, and how long they have; read from YAML into nouns.

Files are checked as a whole: everything wrong with them is told at once, each with file and line.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from comptroller.core.mistakes import FileErrors, Mistake, did_you_mean
from comptroller.core.outcome import STRENGTH, WHOLE, Method, Terms
from comptroller.core.source import MAX_BYTES, Source, read_source
from comptroller.metering.outcome_frame import (
    Attest,
    Check,
    ClaimRule,
    Clawback,
    Document,
    Evidence,
    Frame,
    Sla,
    Value,
    method_of,
)

EVIDENCE = "evidence"  # the check that comes before all others: that a claim shows what it must
TEMPLATES = Path(__file__).parent.joinpath("templates")


@dataclass(frozen=True, slots=True)
class OutcomeType:
    """An outcome type as the machine and the office use it."""

    name: str
    means: str
    document: Document
    terms: Terms
    version: str  # digest of its file
    file: str
    lines: Mapping[str, int]
    text: str = ""  # of its file

    def method_of(self, check: str) -> Method:
        """How strong the verdict of one of its checks is."""
        if check == EVIDENCE:
            return "deterministic"
        return next(method_of(each) for each in self.document.checks if each.id == check)


def terms_of(document: Document) -> Terms:
    """What the machine must know of a type."""
    silence = next((attest for attest in document.attest if attest.by == "silence"), None)
    return Terms(
        deadline_ns=document.deadline,
        lookback_ns=document.lookback,
        dispute_ns=document.dispute,
        resolve_ns=document.resolve,
        silence_ns=(silence.after or 0) if silence else 0,
        checks=(*([EVIDENCE] if _shows(document) else []), *(check.id for check in document.checks)),
        waits=bool(document.attest),
        ways=tuple(attest.by for attest in document.attest),
        minimum=document.minimum,
        factors=tuple(sorted(document.factors.items(), key=lambda item: STRENGTH.index(item[0]))),
        silence_most=silence.most if silence else 0,
        most=document.most,
        freeze=document.freeze,
        clawback=document.clawback.share if document.clawback else WHOLE,
        clawback_for=tuple(document.clawback.reasons) if document.clawback else (),
        zone=document.zone,
        split=document.split,
    )


def _shows(document: Document) -> bool:
    """True where a claim must show something, so that whether it does is a check of its own."""
    return bool(document.evidence.required or document.evidence.json_schema or document.value or document.least_degree)


def stricter(terms: Terms, minimum: Method | None = None, **changes: Any) -> Terms:
    """The terms of a type, as a contract narrows them: its minimum counts where it is the stronger."""
    if minimum is not None and STRENGTH.index(minimum) < STRENGTH.index(terms.minimum):
        changes["minimum"] = minimum
    return replace(terms, **changes) if changes else terms


def write_terms(terms: Terms) -> dict[str, object]:
    """Terms as a fact carries them."""
    return asdict(terms)


def read_terms(said: object) -> Terms:
    """Terms as a fact carried them. The same terms come in facts by the thousand, so they are made once."""
    data = cast(Mapping[str, Any], said)
    return _terms(tuple((name, _hashable(value)) for name, value in data.items()))


@lru_cache(maxsize=1_000)
def _terms(said: tuple[tuple[str, Any], ...]) -> Terms:
    known = Terms.__dataclass_fields__
    return Terms(**{name: value for name, value in said if name in known})


def _hashable(value: Any) -> Any:
    return tuple(_hashable(item) for item in value) if isinstance(value, (list, tuple)) else value


# -- reading files


def load_types(sources: Sequence[str | Path | tuple[str, str]]) -> dict[str, OutcomeType]:
    """The types in files, folders, `template:NAME` or pairs of name and text; raises FileErrors with all mistakes."""
    mistakes: list[Mistake] = []
    found: dict[str, OutcomeType] = {}
    for name, text in _texts(sources, mistakes):
        made = _type(name, text, mistakes)
        if made is not None and made.name in found:
            first = found[made.name].file
            mistakes.append(Mistake(name, made.lines["outcome"], f"`{made.name}` is in {first}, too. Rename one."))
        elif made is not None:
            found[made.name] = made
    if mistakes:
        raise FileErrors(mistakes)
    return found


def templates() -> list[str]:
    """The names of the outcome types that come with us."""
    return sorted(path.stem for path in TEMPLATES.glob("*.yaml"))


def _texts(
    sources: Sequence[str | Path | tuple[str, str]], mistakes: list[Mistake]
) -> Iterable[tuple[str, bytes | str]]:
    for source in sources:
        if isinstance(source, tuple):
            yield source
            continue
        path = Path(source)
        if path.name.startswith("template:"):  # settings put their folder before every path
            name = path.name.removeprefix("template:")
            path = TEMPLATES.joinpath(f"{name}.yaml")
            if name not in templates():
                told = f"There is no template `{name}`. {did_you_mean(name, templates())}"
                mistakes.append(Mistake(f"template:{name}", 1, told))
                continue
        files = sorted(p for p in path.rglob("*") if p.suffix in (".yaml", ".yml")) if path.is_dir() else [path]
        if not files:
            mistakes.append(Mistake(str(path), 1, "The folder holds no outcome type. Put a .yaml file there."))
        for file in files:
            yield from _read(file, mistakes)


def _read(path: Path, mistakes: list[Mistake]) -> Iterable[tuple[str, bytes]]:
    try:
        with path.open("rb") as file:
            yield str(path), file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        mistakes.append(Mistake(str(path), 1, "There is no such file. Check the path, or take it off the list."))
    except OSError as error:
        mistakes.append(Mistake(str(path), 1, f"The file cannot be read: {error.strerror}. Check its permissions."))


def _type(name: str, text: str | bytes, mistakes: list[Mistake]) -> OutcomeType | None:
    source = read_source(name, text, "outcome")
    mistakes += source.mistakes
    if source.mistakes or not source.values:
        if not source.mistakes:
            mistakes.append(Mistake(name, 1, "The file is empty. Begin with `outcome: NAME`."))
        return None
    try:
        document = Document.model_validate(source.values)
    except ValidationError as error:
        mistakes += [Mistake(name, source.lines.find(item["loc"]), _told(item)) for item in error.errors()]
        return None
    plain = text if isinstance(text, str) else text.decode("utf-8-sig")
    version = sha256(plain.encode()).hexdigest()
    return OutcomeType(
        document.outcome, document.means, document, terms_of(document), version, name, _lines(source), plain
    )


def _lines(source: Source) -> dict[str, int]:
    """The line of each key, and of each part of a list as `checks.0`."""
    found = dict(source.lines.keys)
    for key, inner in source.lines.items.items():
        for step, part in inner.items.items():
            found[f"{key}.{step}"] = part.line
    return found


def _told(error: Mapping[str, Any]) -> str:
    name = next((str(step) for step in reversed(error["loc"]) if isinstance(step, str)), "outcome")
    kind = error["type"]
    if kind == "extra_forbidden":
        return f"There is no field `{name}` here. {did_you_mean(name, _fields(error['loc'][:-1]))}"
    if kind == "missing":
        return f"The field `{name}` is missing. Add it."
    if kind == "literal_error":
        choice = str(error["ctx"]["expected"]).replace("'", "`").replace(" or ", ", ")
        return f"`{name}` cannot be `{str(error['input'])[:40]}`. Use one of {choice}."
    if kind == "value_error":
        return f"`{name}`: {error['ctx']['error']}."
    return f"`{name}`: {error['msg']}. Mend it."


def _fields(path: tuple[str | int, ...]) -> list[str]:
    """The fields of the frame at a path."""
    frames: dict[str, type[Frame]] = {
        "evidence": Evidence,
        "value": Value,
        "checks": Check,
        "attest": Attest,
        "claims": ClaimRule,
        "clawback": Clawback,
        "sla": Sla,
    }
    frame = frames.get(str(path[0]), Document) if path else Document
    return [field.alias or name for name, field in frame.model_fields.items()]
