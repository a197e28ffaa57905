"""Cases as billing systems publish them: a model by name with its params, told in our terms and priced."""

from collections.abc import Callable, Mapping
from typing import Any

from comptroller.core.mistakes import did_you_mean
from comptroller.metering.rating.line import RatingError
from comptroller.office.cases import balances, charges, outcomes, papers, spans
from comptroller.office.cases.case import Answer

Case = Mapping[str, Any]

_CHARGES = (
    "unit",
    "graduated",
    "graduated_percentage",
    "graduated_progressive",
    "volume",
    "package",
    "percentage",
    "blocks_graduated",
    "blocks_volume",
    "cost_plus_multiplier",
    "dynamic_per_event_amount",
    "bucketed_max",
    "capacity_tier",
    "capacity_tier_rebill",
    "blocks_rebill_delta",
    "window_commitment",
    "window_commitment_quantity",
    "percent_discount",
)
_RUNS = ("volume_delta", "volume_delta_late", "volume_delta_flat", "volume_delta_flat_to_unit")
_MODELS: dict[str, Callable[[Case], Answer]] = {
    **dict.fromkeys(_CHARGES, charges.answer),
    **dict.fromkeys(_RUNS, charges.answer_runs),
    "outcome_flat_fee": outcomes.flat_fee,
    "outcome_menu": outcomes.menu,
    "outcome_commit_overage": outcomes.commitment,
    "outcome_graduated": outcomes.graduated,
    "credit_per_action": outcomes.credit_per_action,
    "included_credits": outcomes.included_credits,
    "credit_cost_basis": outcomes.cost_basis,
    "split_largest_remainder": papers.shares,
    "credit_note": papers.note,
    "credit_note_partial": papers.partial_note,
    "wallet_topup": papers.wallet_topup,
    "wallet_with_tax": papers.wallet_with_tax,
    "progressive_billing": papers.progressive,
    "rounding_half_up": papers.rounded,
    "round_lines_then_sum": papers.rounded_lines,
    "commitment_true_up": papers.commitment,
    "grant_order": balances.order,
    "proration_cycles_in_advance": spans.cycles,
    "proration_day_based": spans.day_based,
    "proration_plan_change": spans.plan_change,
    "proration_days": spans.used_days,
    "proration_credit": spans.unused_days,
    "days_in_duration_dst": spans.days_in_duration,
    "minimum_commitment_prorated": spans.prorated_minimum,
    **dict.fromkeys(
        (
            "grant_burndown",
            "grant_void",
            "grant_expired",
            "grant_future",
            "grant_recurring",
            "grant_reset_rollover",
            "grant_reset_overage",
        ),
        balances.answer,
    ),
}


def answer_published(case: Case) -> Answer:
    """What a case comes to; RatingError where it has no amount or is not understood."""
    model = str(case.get("model", ""))
    name = model.partition("+")[0]
    if name not in _MODELS:
        raise RatingError(f"`{model}` is not a model of published cases. {did_you_mean(name, _MODELS)}")
    for part in ("params", "usage"):
        if not isinstance(case.get(part), dict):
            raise RatingError(f"The case has no `{part}`. Write it as keys and values.")
    return _MODELS[name](case)
