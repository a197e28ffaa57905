"""Files of pricing cases: read, and every case tried."""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from comptroller.core.errors import SettingsError
from comptroller.core.mistakes import FileErrors
from comptroller.core.source import read_source
from comptroller.metering.rating.charge import Before, rate
from comptroller.metering.rating.line import RatingError
from comptroller.metering.rating.reader import PriceError, read_price, read_usage
from comptroller.metering.rating.terms import read_number
from comptroller.office.cases.case import Answer, Result, compare
from comptroller.office.cases.published import answer_published

NO_AMOUNT = "ERROR"


def read_cases(path: Path) -> list[Mapping[str, Any]]:
    """The cases of a JSON or YAML file: a list, or one under `cases` or `vectors`."""
    values = _json(path) if path.suffix == ".json" else _yaml(path)
    found = values.get("cases", values.get("vectors")) if isinstance(values, dict) else values
    if not isinstance(found, list) or not all(isinstance(case, dict) for case in found):
        raise SettingsError(f"{path}: there is no list of cases. Put one under `cases`, each with `price` and `usage`.")
    return found


def try_cases(cases: list[Mapping[str, Any]]) -> Iterator[Result]:
    """Price every case; one that has no amount says why."""
    for number, case in enumerate(cases, 1):
        name, expected = str(case.get("id", number)), case.get("expected")
        try:
            yield compare(name, expected, _answer(case))
        except (PriceError, RatingError) as error:
            yield _without_amount(name, expected, str(error))


def _without_amount(name: str, expected: Any, because: str) -> Result:
    got = NO_AMOUNT if expected == NO_AMOUNT else f"{NO_AMOUNT}: {because}"
    return Result(name, expected, got, because)


def _answer(case: Mapping[str, Any]) -> Answer:
    if "price" not in case:
        return _published(case)
    price, usage = read_price(_mapping(case, "price")), read_usage(_mapping(case, "usage"))
    rated = rate(price, usage, _before(case), bool(case.get("last", True)))
    return Answer(rated.total)


def _published(case: Mapping[str, Any]) -> Answer:
    """The words of others are read by hand: what does not fit them is told as a mistake of the case."""
    try:
        return answer_published(case)
    except KeyError as error:
        raise RatingError(f"The case says nothing of `{error.args[0]}`. Add it to its params or usage.") from None
    except (TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise RatingError(f"The case cannot be read: {error}. Write it as the published cases are.") from None


def _before(case: Mapping[str, Any]) -> Before | None:
    given = _mapping(case, "before")
    if not given:
        return None
    if unknown := sorted(given.keys() - {"usage", "billed"}):
        raise PriceError([(("before", unknown[0]), f"`{unknown[0]}` is not a key here. Use `usage` or `billed`.")])
    try:
        billed = None if "billed" not in given else read_number(given["billed"])
    except ValueError as error:
        raise PriceError([(("before", "billed"), f"{error}.")]) from None
    return Before(read_usage(_mapping(given, "usage")) if "usage" in given else None, billed)


def _mapping(case: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = case.get(key, {})
    if not isinstance(value, dict):
        raise PriceError([((key,), f"`{key}` is keys and values. Write them beneath it.")])
    return value


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"), parse_float=Decimal)
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: this is not UTF-8. Save it as UTF-8.") from None
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path}: this is not JSON: {error}. Mend it, or write YAML.") from None


def _yaml(path: Path) -> Any:
    source = read_source(str(path), path.read_bytes())
    if source.mistakes:
        raise FileErrors(source.mistakes)
    return source.values
