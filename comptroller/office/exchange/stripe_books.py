"""Stripe: invoices as invoice items and verified outcomes as meter events, through Stripe's own library."""

import re
from collections.abc import Iterable, Iterator, Mapping
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

from comptroller.core.currencies import minor_places
from comptroller.core.errors import ComptrollerError, SettingsError
from comptroller.core.money import NANOS
from comptroller.core.outcome import Outcome
from comptroller.metering.invoice import Invoice
from comptroller.office.exchange.focus import charges
from comptroller.office.exchange.till import Item, Refused

if TYPE_CHECKING:
    import stripe

# Where Stripe counts in other units than ISO 4217 does: as of its list of currencies.
_PLACES = {"ISK": 2, "UGX": 2, "MGA": 0}
_TEXT = 500  # characters a description or a value of metadata may have
_NOT = re.compile("[^a-z0-9_]+")
SECOND = 1_000_000_000
MARK = "comptroller_item"


class Unreached(ComptrollerError):
    """Stripe did not answer, or not so that one could tell what it did."""


class StripeBooks:
    """Stripe's side of the till."""

    name = "stripe"

    def __init__(self, client: "stripe.StripeClient") -> None:
        self._client = client

    @classmethod
    def open(cls, key: str, url: str = "", retries: int = 2) -> "StripeBooks":
        """With an API key; `url` is another place than Stripe's own."""
        try:
            import stripe
        except ImportError:
            raise SettingsError("Stripe's library is missing: pip install 'comptroller[stripe]'.") from None
        places: Any = {"api": url} if url else None
        return cls(stripe.StripeClient(key, base_addresses=places, max_network_retries=retries))

    def put(self, item: Item) -> str:
        """Create it; Refused where Stripe says that it did not."""
        params: Any = dict(item.params)
        options: Any = {"idempotency_key": item.key}
        if item.kind == "meter_event":
            made = self._asked(lambda: self._client.v1.billing.meter_events.create(params, options))
            return str(made.identifier)
        made = self._asked(lambda: self._client.v1.invoice_items.create(params, options))
        return str(made.id)

    def find(self, item: Item) -> str | None:
        """The id of what was created before; of meter events Stripe tells none."""
        if item.kind == "meter_event":
            return None
        params: Any = {"customer": item.params["customer"], "limit": 100}
        found = self._asked(lambda: self._client.v1.invoice_items.list(params))
        for one in self._asked(lambda: list(found.auto_paging_iter())):
            if getattr(one.metadata, MARK, None) == item.id:
                return str(one.id)
        return None

    def _asked(self, ask: Any) -> Any:
        import stripe

        try:
            return ask()
        except (stripe.InvalidRequestError, stripe.AuthenticationError, stripe.PermissionError) as error:
            raise Refused(f"Stripe refused it: {error.user_message or error}") from None
        except (stripe.StripeError, OSError, HTTPException) as error:  # some of its HTTP clients let the latter through
            status = getattr(error, "http_status", None) or "none"
            raise Unreached(
                f"Stripe could not be asked ({type(error).__name__}, status {status}). "
                "Run it again: what arrived is not sent twice."
            ) from None


def invoice_items(found: Iterable[Invoice], customers: Mapping[str, str]) -> Iterator[Item]:
    """What an invoice is, as items that sum to what is due of it, its credit notes taken off."""
    for invoice in found:
        if invoice.customer not in customers:
            continue
        for charge in charges(invoice):
            number = charge.note.number if charge.note else invoice.number
            if not charge.billed:
                continue
            id = f"{invoice.tenant}:{number}:{charge.id}"
            params = {
                "customer": customers[invoice.customer],
                "amount": amount(charge.billed, invoice.currency),
                "currency": invoice.currency.lower(),
                "description": f"{number}: {charge.description}"[:_TEXT],
                "metadata": {MARK: id, "invoice": number, "period": invoice.period},
            }
            yield Item(id, "invoice_item", params)


def meter_events(found: Iterable[Outcome], customers: Mapping[str, str]) -> Iterator[Item]:
    """One event for each verified outcome, on a meter named after its type."""
    for outcome in found:
        if outcome.verified_at and outcome.customer in customers:
            id = f"{outcome.tenant}:{outcome.key}:verified"
            params = {
                "event_name": _NOT.sub("_", outcome.type.lower())[:100],
                "identifier": id[:100],
                "timestamp": outcome.verified_at // SECOND,
                "payload": {"stripe_customer_id": customers[outcome.customer], "value": "1"},
            }
            yield Item(id, "meter_event", params)


def amount(nanos: int, currency: str) -> int:
    """An amount in the unit that Stripe counts a currency in; it never loses anything."""
    places = _PLACES.get(currency, minor_places(currency))
    unit: int = NANOS // int(10**places)
    whole, rest = divmod(nanos, unit)
    if rest or (places == 3 and whole % 10):  # of three decimals Stripe takes two
        raise SettingsError(f"An amount of {nanos} nanos of {currency} has more decimals than Stripe takes.")
    return whole
