"""The till and Stripe: everything arrives once, whatever dies, fails or forgets on the way."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
import stripe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from comptroller.core.clock import FrozenClock
from comptroller.core.errors import SettingsError
from comptroller.core.outcome import Outcome
from comptroller.office.exchange import stripe_books, till
from comptroller.office.exchange.stripe_books import StripeBooks, Unreached
from comptroller.office.exchange.till import Done, Slips, Till
from comptroller.testing.memory import MemoryLedger
from tests.office.exchange.bill import INVOICE

CUSTOMERS = {"acme": "cus_1"}
OUTCOME = Outcome("o1", "default", "acme", "Loan.Decided", "s", "verified", "c", "r", "w", (), 5, verified_at=10**18)


class Stripe(BaseHTTPRequestHandler):
    """A small Stripe: keeps what it creates, knows idempotency keys, and fails as told."""

    created: list[dict[str, str]]
    keys: dict[str, tuple[str, dict[str, str]]]
    trouble: list[str]

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        said = {name: values[0] for name, values in form.items()}
        key = self.headers["idempotency-key"]
        trouble = self.trouble.pop(0) if self.trouble else ""
        if trouble == "refuse":
            self._answer(400, {"error": {"type": "invalid_request_error", "message": "No such customer"}})
        elif trouble == "down":
            self._answer(500, {"error": {"type": "api_error", "message": "down"}})
        else:
            known = self.keys.get(key)
            if known is not None and known[1] != said:
                self._answer(400, {"error": {"type": "idempotency_error", "message": "another body"}})
                return
            if known is None:
                id = said.get("identifier") or f"ii_{len(self.created) + 1}"
                self.created.append({**said, "id": id})
                known = self.keys[key] = (id, said)
            if trouble != "silent":
                self._answer(200, {"id": known[0], "object": "x", "identifier": known[0]})

    def do_GET(self) -> None:
        customer = parse_qs(urlsplit(self.path).query)["customer"][0]
        mine = [one for one in self.created if one.get("customer") == customer]
        data = [
            {
                "id": one["id"],
                "object": "invoiceitem",
                "metadata": {"comptroller_item": one["metadata[comptroller_item]"]},
            }
            for one in mine
        ]
        self._answer(200, {"object": "list", "data": data, "has_more": False, "url": "/v1/invoiceitems"})

    def _answer(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *said: object) -> None:
        """Nothing is logged."""


class Yard:
    """A ledger, a till and the small Stripe."""

    def __init__(self, url: str) -> None:
        self.clock = FrozenClock()
        self.ledger = MemoryLedger(self.clock)
        self.http = stripe.UrllibClient()
        client = stripe.StripeClient(
            "sk_test", base_addresses={"api": url}, http_client=self.http, max_network_retries=0
        )
        self.port = StripeBooks(client)
        self.items = [*stripe_books.invoice_items([INVOICE], CUSTOMERS)]

    def send(self, *items: till.Item) -> Done:
        """Send as a till does that was just opened."""
        slips = Slips().fold(self.ledger.facts)
        return Till(self.ledger, self.clock, self.port, slips).send(items or self.items)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stripe)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def yard(url: str) -> Yard:
    Stripe.created, Stripe.keys, Stripe.trouble = [], {}, []
    return Yard(url)


def test_an_invoice_becomes_items_that_sum_to_what_is_due(yard: Yard) -> None:
    done = yard.send()
    assert len(done.sent) == len(yard.items)
    sums = sum(int(one["amount"]) for one in Stripe.created)
    assert sums * 10_000_000 == INVOICE.totals.due - INVOICE.credits[0].total
    assert {one["currency"] for one in Stripe.created} == {"eur"}
    assert Stripe.created[0]["description"] == "INV-2026-0001: Loan decided"


def test_sending_again_sends_nothing(yard: Yard) -> None:
    yard.send()
    done = yard.send()
    assert (done.sent, done.before) == ([], len(yard.items))
    assert len(Stripe.created) == len(yard.items)


def test_a_verified_outcome_is_a_meter_event_under_its_own_identifier(yard: Yard) -> None:
    yard.send(*stripe_books.meter_events([OUTCOME, replace(OUTCOME, key="o2", verified_at=0)], CUSTOMERS))
    (made,) = Stripe.created
    assert made["event_name"] == "loan_decided"
    assert made["payload[value]"] == "1"
    assert made["identifier"] == "default:o1:verified"


def test_who_has_no_counterpart_there_is_left_out() -> None:
    assert not [*stripe_books.invoice_items([INVOICE], {}), *stripe_books.meter_events([OUTCOME], {})]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["", "silent", "down", "refuse", "die"]), max_size=30))
def test_whatever_fails_everything_arrives_once(yard: Yard, story: list[str]) -> None:
    Stripe.created, Stripe.keys = [], {}
    yard.ledger = MemoryLedger(yard.clock)
    for step in story:
        if step == "die":  # between sending and noting it
            slips = Slips().fold(yard.ledger.facts)
            item = next((item for item in yard.items if item.id not in slips.sent), None)
            if item is not None and item.id not in slips.under_way:
                yard.ledger.sync(_noted(item))
            if item is not None:
                yard.port.put(item)
            continue
        Stripe.trouble = [step]
        try:
            yard.send()
        except Unreached:
            continue
    Stripe.trouble = []
    yard.send()
    assert sorted(one["metadata[comptroller_item]"] for one in Stripe.created) == sorted(item.id for item in yard.items)


def _noted(item: till.Item) -> till.Fact:
    data: dict[str, object] = {"item": item.id, "digest": item.digest}
    return till.Fact("exchange.sending", f"{item.id}:sending", FrozenClock().now_ns(), data=data)


def test_after_a_day_an_item_is_looked_up_before_it_is_sent_again(yard: Yard) -> None:
    Stripe.trouble = ["silent"]
    with pytest.raises(Unreached):
        yard.send(yard.items[0])
    yard.clock.tick(25 * 3600)
    Stripe.keys.clear()
    assert yard.send(yard.items[0]).sent == [yard.items[0].id]
    assert len(Stripe.created) == 1


def test_after_a_day_an_item_that_never_arrived_is_sent(yard: Yard) -> None:
    Stripe.trouble = ["down"]
    with pytest.raises(Unreached):
        yard.send(yard.items[0])
    yard.clock.tick(25 * 3600)
    assert yard.send(yard.items[0]).sent
    assert len(Stripe.created) == 1


def test_after_a_day_a_meter_event_that_may_have_arrived_is_left_in_doubt(yard: Yard) -> None:
    (event,) = stripe_books.meter_events([OUTCOME], CUSTOMERS)
    Stripe.trouble = ["silent"]
    with pytest.raises(Unreached):
        yard.send(event)
    yard.clock.tick(25 * 3600)
    assert yard.send(event).doubtful == [event.id]
    assert len(Stripe.created) == 1


def test_what_was_refused_is_said_and_may_be_sent_once_it_was_mended(yard: Yard) -> None:
    Stripe.trouble = ["refuse"]
    done = yard.send(yard.items[0])
    assert "No such customer" in done.refused[yard.items[0].id]
    mended = replace(yard.items[0], params={**yard.items[0].params, "customer": "cus_2"})
    assert yard.send(mended).sent == [mended.id]


def test_what_changed_while_it_was_under_way_is_left_in_doubt(yard: Yard) -> None:
    Stripe.trouble = ["down"]
    with pytest.raises(Unreached):
        yard.send(yard.items[0])
    other = replace(yard.items[0], params={**yard.items[0].params, "amount": 1})
    assert yard.send(other).doubtful == [other.id]
    assert not Stripe.created


@pytest.mark.parametrize(
    ("nanos", "currency", "there"),
    [
        (10**9, "USD", 100),
        (10**9, "JPY", 1),
        (1_230_000_000, "KWD", 1230),
        (5 * 10**9, "ISK", 500),
        (-(10**7), "EUR", -1),
    ],
)
def test_amounts_are_in_the_units_stripe_counts_in(nanos: int, currency: str, there: int) -> None:
    assert stripe_books.amount(nanos, currency) == there


@pytest.mark.parametrize(("nanos", "currency"), [(5_000_000, "USD"), (1_500_000_000, "JPY"), (1_234_000_000, "KWD")])
def test_an_amount_stripe_cannot_hold_is_refused_in_words(nanos: int, currency: str) -> None:
    with pytest.raises(SettingsError, match="more decimals than Stripe takes"):
        stripe_books.amount(nanos, currency)


def test_no_key_of_stripes_gets_on_record(yard: Yard) -> None:
    yard.send()
    assert "sk_test" not in repr(yard.ledger.facts)
