"""What is counted, in a form that Prometheus reads."""

import re

from comptroller.core.facts import CALL_CLOSED, Fact
from comptroller.gateway.meters import SERIES, Meters

LINE = re.compile(r'(# (HELP|TYPE) \w+ .+|\w+(\{(\w+="([^"\\\n]|\\.)*",?)*\})? [0-9.]+)')


def closed(model: str, **more: object) -> Fact:
    data = {"kind": "model", "name": model, "status": "ok", "cost": 1_500_000_000, "currency": "USD", **more}
    return Fact(CALL_CLOSED, "f", 0, data=data)


def test_every_line_is_one_that_prometheus_reads_whatever_names_clients_choose() -> None:
    meters = Meters()
    meters.answered("openai_chat", 200, 12)
    meters.refused("denied")
    meters.failed("first", "ConnectError")
    meters.watch(closed('a"b\\c\nd', usage={"input": 3, "output": 4}))
    for line in meters.text([("runs_open", "Open runs.", 2)]).splitlines():
        assert LINE.fullmatch(line), line


def test_money_and_tokens_add_up_exactly() -> None:
    meters = Meters()
    for _ in range(3):
        meters.watch(closed("m", usage={"input": 3, "output": 4}))
    text = meters.text([])
    assert 'comptroller_cost_total{model="m",currency="USD"} 4.50\n' in text
    assert 'comptroller_tokens_total{model="m",kind="output"} 12\n' in text


def test_the_histogram_is_cumulative_and_counts_all() -> None:
    meters = Meters()
    for took_ms in (1, 5, 6, 400_000):
        meters.answered("r", 200, took_ms)
    text = meters.text([])
    assert 'comptroller_request_seconds_bucket{le="0.005"} 2\n' in text
    assert 'comptroller_request_seconds_bucket{le="300.000"} 3\n' in text
    assert 'comptroller_request_seconds_bucket{le="+Inf"} 4\n' in text
    assert "comptroller_request_seconds_sum 400.012\n" in text


def test_names_that_clients_make_up_do_not_fill_memory() -> None:
    meters = Meters()
    for number in range(SERIES + 50):
        meters.watch(closed(f"m{number}"))
    assert len(meters.calls) == SERIES + 1
    assert meters.calls[("other", "ok")] == 50
