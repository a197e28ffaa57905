"""Published charges: their params as a price of ours, with the conventions of the system they come from."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from comptroller.metering.rating.charge import Before, rate
from comptroller.metering.rating.credits import allocate
from comptroller.metering.rating.line import ZERO, Rated
from comptroller.metering.rating.models import Package
from comptroller.metering.rating.price import Price
from comptroller.metering.rating.reader import read_price
from comptroller.metering.rating.usage import Usage
from comptroller.office.cases.case import Answer
from comptroller.office.cases.terms import as_number, hours, number, numbers

Case = Mapping[str, Any]

# What a system does that its params do not say, by the beginning of the source and a part of the path.
CONVENTIONS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    # Lago rounds a fee, not the charges within it; seats over time are rounded once, as a sum.
    ("getlago/", "prorated_graduated", {"rounding": "total"}),
    ("getlago/", "charge_models", {"rounding": "none"}),
    # Kill Bill lets the last block go on where its number of blocks is used up, and bills what is new by amount.
    ("killbill/", "Consumable", {"beyond": "last", "again": "delta"}),
    ("killbill/", "Capacity", {"again": "delta"}),
)
_SAME = ("minimum", "maximum", "discount_percent", "free")
_MODELS = {
    "graduated_progressive": "graduated",
    "graduated_percentage": "graduated",
    "cost_plus_multiplier": "cost_plus",
    "dynamic_per_event_amount": "dynamic",
    "percent_discount": "dynamic",
    "capacity_tier": "capacity",
    "capacity_tier_rebill": "capacity",
    "blocks_graduated": "blocks",
    "blocks_volume": "blocks",
    "blocks_rebill_delta": "blocks",
    "window_commitment": "windows",
    "window_commitment_quantity": "windows",
}


def answer(case: Case) -> Answer:
    """The total of one run of a period."""
    price = price_of(case)
    rated = rate(price, usage_of(case), before(case), case["usage"].get("last_run_of_period", True) is not False)
    if credits := case["params"].get("credits_in_order"):
        return Answer(allocate(rated, numbers(credits)).due)
    return Answer(rated.total, _named(price, rated))


def answer_runs(case: Case) -> Answer:
    """What each of several runs books: their usage is that of the whole period so far."""
    price = price_of(case, again="delta")
    runs = numbers(case["usage"].get("runs"))
    totals: list[Fraction] = []
    known: Before | None = None
    for units in runs:
        rated = rate(price, Usage(units), known, last=len(totals) == len(runs) - 1)
        totals.append(rated.total)
        known = Before(Usage(units), sum(totals, ZERO))
    return Answer(list(totals))


def price_of(case: Case, **more: Any) -> Price:
    """The price that the params describe, under the conventions of their source."""
    base, *extras = str(case["model"]).split("+")
    if base == "bucketed_max":  # the peaks of stretches of time, each rated by the model that is named next
        base, *extras = extras
    model = _MODELS.get(base, "volume" if base.startswith("volume") else base)
    values = {"model": model, "currency": case["currency"], **_terms(model, base, case), **_conversion(case["params"])}
    if "split" in extras:
        values["again"] = "split"
    return read_price({**values, **_conventions(case, model), **more})


def _conventions(case: Case, model: str) -> dict[str, Any]:
    source, path = str(case.get("source", "")), str(case.get("path", ""))
    for begins, holds, options in CONVENTIONS:
        if source.startswith(begins) and holds in path:
            return {name: option for name, option in options.items() if name != "beyond" or model == "blocks"}
    return {}


def _terms(model: str, base: str, case: Case) -> dict[str, Any]:
    """The terms of the model itself."""
    params = case["params"]
    same = {name: params[name] for name in _SAME if name in params}
    match model:
        case "graduated" | "volume":
            return {**same, **_tiers(base, params)}
        case "blocks":
            blocks = [_block(block) for block in params["blocks"]]
            return {**same, "blocks": blocks, "priced": "volume" if base == "blocks_volume" else "graduated"}
        case "percentage":
            return {**same, **_percentage(params)}
        case "capacity":
            return {**same, "tiers": params["tiers"]}
        case "windows":
            return {**same, **_windows(params)}
        case "dynamic":
            return {**same, "discount_percent": params.get("percent", "0")}
    return {**same, **{name: params[name] for name in ("unit", "size", "amount", "multiplier") if name in params}}


def _tiers(base: str, params: Mapping[str, Any]) -> dict[str, Any]:
    if "tier_rate" in params:
        return {"tiers": [{"unit": params["tier_rate"]}]}
    if "size" in params:  # tiers that count begun packages
        return {"tiers": [{"unit": params["amount"]}], "convert": {"divide_by": params["size"], "round": "ceiling"}}
    names = {"rate_percent": "percent"}
    tiers = [{names.get(key, key): value for key, value in tier.items()} for tier in params["tiers"]]
    return {"tiers": tiers, "of": "value" if base == "graduated_percentage" else "units"}


def _block(block: Mapping[str, Any]) -> dict[str, Any]:
    most = block.get("max_blocks", -1)
    return {"size": block["block_size"], "price": block["price"], "most": None if most == -1 else most}


def _percentage(params: Mapping[str, Any]) -> dict[str, Any]:
    names = {
        "rate_percent": "percent",
        "fixed_per_event": "fixed",
        "free_events": "free_events",
        "free_amount": "free_value",
        "per_event_min": "least",
        "per_event_max": "most",
    }
    return {names[name]: params[name] for name in names if name in params}


def _windows(params: Mapping[str, Any]) -> dict[str, Any]:
    if "bucket" in params:
        return {"windows": [hours(params["bucket"])], "rest": hours(params["rest"])}
    names = {"unit": "unit", "commit_per_window": "commit", "overage_factor": "factor", "true_up": "true_up"}
    return {"rest": {names[name]: params[name] for name in names if name in params}}


def _conversion(params: Mapping[str, Any]) -> dict[str, Any]:
    if "divide_by" not in params:
        return {}
    return {"convert": {"divide_by": params["divide_by"], "round": params.get("rounding")}}


def usage_of(case: Case) -> Usage:
    """What was used, in our terms."""
    usage, model = case["usage"], str(case["model"])
    if "running_totals" in usage:
        return Usage(events=_events(usage))
    if "full_units" in usage:
        return _seats(usage)
    if "windows" in usage:
        return Usage(windows=tuple(_windowed(usage["windows"])))
    if "event_amount_cents" in usage:
        return Usage(value=number(usage, "event_amount_cents") * Fraction(1, 100), count=int(number(usage, "units")))
    if isinstance(usage.get("events"), list):
        told = tuple(numbers(usage["events"]))
        return Usage(sum(told, ZERO)) if model.startswith("blocks") else Usage(events=told)
    return Usage(
        quantity=number(usage, "quantity", ZERO),
        value=number(usage, "amount") if "amount" in usage else None,
        cost=number(usage, "cost") if "cost" in usage else None,
        count=int(number(usage, "events", ZERO)),
        peaks={meter: as_number(peak) for meter, peak in usage.get("peaks", {}).items()},
        buckets=tuple(numbers(usage.get("bucket_max", []))),
    )


def before(case: Case) -> Before | None:
    """What was billed of the period already."""
    usage = case["usage"]
    billed = number(usage, "already_billed") if "already_billed" in usage else None
    if "previous_cost" in usage:
        return Before(Usage(cost=number(usage, "previous_cost")), billed)
    if "previous_quantity" in usage:
        return Before(Usage(number(usage, "previous_quantity")), billed)
    return None if billed is None else Before(None, billed)


def _events(usage: Mapping[str, Any]) -> tuple[Fraction, ...]:
    """Events from their running totals; the last brings them to the amount."""
    totals = numbers(usage["running_totals"])
    if len(totals) < int(number(usage, "events")):
        totals.append(number(usage, "amount"))
    return tuple(after - so_far for so_far, after in zip([ZERO, *totals], totals, strict=False))


def _seats(usage: Mapping[str, Any]) -> Usage:
    if not isinstance(usage["full_units"], list):
        return Usage(number(usage, "full_units"), prorated=number(usage, "prorated_units"))
    changes = zip(numbers(usage["full_units"]), numbers(usage["prorated_units"]), strict=True)
    return Usage(changes=tuple(changes))


def _windowed(windows: Any) -> list[tuple[int, Fraction]]:
    if isinstance(windows, list):
        return list(enumerate(numbers(windows)))
    return [(int(at.partition(":")[0]), as_number(units)) for at, units in windows.items()]


def _named(price: Price, rated: Rated) -> dict[str, Fraction | str]:
    """Parts of the amount that a case may ask for by name."""
    size = price.model.size if isinstance(price.model, Package) else Fraction(1)
    units = sum((line.quantity for line in rated.lines if line.kind == "usage"), ZERO)
    return {
        "amount": rated.total,
        "total": rated.total,
        "final": rated.total,
        "discount": -rated.amount("discount"),
        "overage": rated.amount("overage"),
        "billed_units": units * size,
    }
