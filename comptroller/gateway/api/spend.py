"""Where spending goes: the month's end at the pace of the last days."""

from datetime import date, timedelta

from comptroller.core.money import decimal_text
from comptroller.gateway.api.frame import Ask, Route
from comptroller.gateway.api.problem import Problem
from comptroller.gateway.api.rights import READ
from comptroller.gateway.api.shapes import Money, Name, Said, Told
from comptroller.metering.periods import day_of
from comptroller.office.costs import nanos_of
from comptroller.office.forecast import METHOD, forecast


class ForecastRow(Told):
    """One currency: this month so far, a day at the present pace, the month's end, and the month before."""

    currency: str
    spent: Money
    pace: Money
    expected: Money
    last_month: Money


class ForecastTold(Told):
    """The month, and how the forecast is made."""

    month: str
    today: str
    method: str
    rows: list[ForecastRow]


class ForecastAsked(Said):
    """Whose."""

    customer: Name | None = None
    workflow: Name | None = None


def show_forecast(ask: Ask) -> ForecastTold:
    """The month's end."""
    said, who = ask.query, ask.who
    fixed = {"customer": said.customer or who.customer, "workflow": said.workflow or who.workflow}
    if who.user or any(getattr(who, name) not in ("", value) for name, value in fixed.items()):
        raise Problem(403, "not_allowed", "This key is for somebody else.", "Leave the names out.", "query")
    today = day_of("UTC", ask.bureau.clock.now_ns())
    since = (today.replace(day=1) - timedelta(days=1)).replace(day=1)
    given = {name: value or None for name, value in fixed.items()}
    rows = ask.bureau.reader.rows(
        "console_spend", tenant=who.tenant, by_day=True, since=since.isoformat(), limit=10_000, **given
    )
    daily: dict[str, dict[date, int]] = {}
    for row in rows:
        day = row["day"]
        assert isinstance(day, date), "the books count by day"
        sums = daily.setdefault(str(row["currency"]), {})
        sums[day] = sums.get(day, 0) + nanos_of(row["cost"])
    told = [forecast(unit, days, today) for unit, days in sorted(daily.items())]
    return ForecastTold(
        month=today.isoformat()[:7],
        today=today.isoformat(),
        method=METHOD,
        rows=[
            ForecastRow(
                currency=one.currency,
                spent=decimal_text(one.spent),
                pace=decimal_text(one.pace),
                expected=decimal_text(one.expected),
                last_month=decimal_text(one.last_month),
            )
            for one in told
        ],
    )


ROUTES = (
    Route(
        "GET",
        "/api/spend/forecast",
        "What the month will have spent at the pace of the last days.",
        READ,
        show_forecast,
        ForecastTold,
        ForecastAsked,
    ),
)
