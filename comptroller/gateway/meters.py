"""What the gateway counts, and how Prometheus reads it."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from comptroller.core.facts import CALL_CLOSED, Fact
from comptroller.core.money import decimal_text

EDGES_MS = (5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000)
TOKENS = ("input", "output", "cache_read", "reasoning")
SERIES = 2_000  # of one counter: names that clients choose must not fill memory
OTHER = "other"
Labels = tuple[str, ...]


class Meters:
    """Counters since the gateway started."""

    def __init__(self) -> None:
        self.requests: dict[Labels, int] = {}
        self.refusals: dict[Labels, int] = {}
        self.calls: dict[Labels, int] = {}
        self.errors: dict[Labels, int] = {}
        self.tokens: dict[Labels, int] = {}
        self.nanos: dict[Labels, int] = {}
        self.buckets = [0] * (len(EDGES_MS) + 1)
        self.took_ms = 0
        self.under_way = 0

    def answered(self, route: str, status: int, took_ms: int) -> None:
        """A request was answered."""
        _add(self.requests, (route, str(status)))
        self.buckets[bisect_left(EDGES_MS, took_ms)] += 1
        self.took_ms += took_ms

    def refused(self, code: str) -> None:
        """A request was refused, by us or by the flow."""
        _add(self.refusals, (code,))

    def failed(self, upstream: str, kind: str) -> None:
        """An upstream failed."""
        _add(self.errors, (upstream, kind))

    def watch(self, fact: Fact) -> None:
        """Count what a finished call cost and used."""
        if fact.kind != CALL_CLOSED or fact.data.get("kind") != "model":
            return
        data: Mapping[str, Any] = fact.data
        model = str(data.get("name", ""))
        _add(self.calls, (model, str(data["status"])))
        if data["cost"]:
            _add(self.nanos, (model, str(data["currency"])), int(data["cost"]))
        usage = data.get("usage")
        if usage:
            for kind in TOKENS:
                if usage.get(kind):
                    _add(self.tokens, (model, kind), usage[kind])

    def state(self) -> list[Any]:
        """All counts, to be added up with those of others."""
        counters = [[[labels, str(value)] for labels, value in counter.items()] for counter in self._counters()]
        return [counters, self.buckets, self.took_ms, self.under_way]

    def add(self, state: Sequence[Any]) -> None:
        """Add somebody else's counts."""
        counters, buckets, took_ms, under_way = state
        for mine, rows in zip(self._counters(), counters, strict=True):
            for labels, value in rows:
                _add(mine, tuple(labels), int(value))
        self.buckets = [one + other for one, other in zip(self.buckets, buckets, strict=True)]
        self.took_ms += took_ms
        self.under_way += under_way

    def _counters(self) -> tuple[dict[Labels, int], ...]:
        return self.requests, self.refusals, self.calls, self.errors, self.tokens, self.nanos

    def text(self, gauges: Iterable[tuple[str, str, int | Mapping[str, int]]]) -> str:
        """All of it in Prometheus' text format."""
        lines: list[str] = []
        _family(lines, "requests_total", "Requests answered.", ("route", "status"), self.requests)
        _family(lines, "refusals_total", "Requests refused, by reason.", ("code",), self.refusals)
        _family(lines, "calls_total", "Model calls on record, by how they ended.", ("model", "status"), self.calls)
        _family(lines, "upstream_errors_total", "Failures of upstreams.", ("upstream", "kind"), self.errors)
        _family(lines, "tokens_total", "Tokens used.", ("model", "kind"), self.tokens)
        cost = {labels: decimal_text(nanos) for labels, nanos in self.nanos.items()}
        _family(lines, "cost_total", "Money spent on model calls.", ("model", "currency"), cost)
        self._histogram(lines)
        for name, help, value in gauges:
            lines += [f"# HELP comptroller_{name} {help}", f"# TYPE comptroller_{name} gauge"]
            if isinstance(value, int):
                lines.append(f"comptroller_{name} {value}")
            else:
                lines += [f'comptroller_{name}{{currency="{_escaped(unit)}"}} {sum}' for unit, sum in value.items()]
        return "\n".join(lines) + "\n"

    def _histogram(self, lines: list[str]) -> None:
        name = "comptroller_request_seconds"
        lines += [f"# HELP {name} From a request's head to its reply's last byte.", f"# TYPE {name} histogram"]
        total = 0
        for edge, count in zip((*EDGES_MS, None), self.buckets, strict=True):
            total += count
            bound = "+Inf" if edge is None else f"{edge // 1000}.{edge % 1000:03d}"
            lines.append(f'{name}_bucket{{le="{bound}"}} {total}')
        lines += [f"{name}_sum {self.took_ms // 1000}.{self.took_ms % 1000:03d}", f"{name}_count {total}"]


def _add(counter: dict[Labels, int], labels: Labels, amount: int = 1) -> None:
    if labels not in counter and len(counter) >= SERIES:
        labels = (OTHER, *labels[1:])
    counter[labels] = counter.get(labels, 0) + amount


def _family(lines: list[str], name: str, help: str, names: Labels, values: Mapping[Labels, object]) -> None:
    lines += [f"# HELP comptroller_{name} {help}", f"# TYPE comptroller_{name} counter"]
    for labels, value in values.items():
        said = ",".join(f'{label}="{_escaped(text)}"' for label, text in zip(names, labels, strict=True))
        lines.append(f"comptroller_{name}{{{said}}} {value}")


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
