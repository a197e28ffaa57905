"""A ledger of two tenants with contracts and verified outcomes, and `/api` on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from comptroller.core.clock import SYSTEM
from comptroller.core.settings import Settings
from comptroller.gateway.api.bureau import Bureau
from comptroller.metering.periods import day_of
from comptroller.wrapper.desk import Desk
from comptroller.wrapper.run import Run
from tests.gateway.api.house import Api

TYPE = """
outcome: refund.resolved
means: A refund was resolved.
checks: [{id: paid, by: cel, when: evidence.paid == true}]
"""
TERMS = """
contract: {tenant}-{customer}
tenant: {tenant}
customer: {customer}
from: {begun}-12-01
currency: USD
outcomes: {{refund.resolved: 1.50}}
usage: {{pages: 1}}
minimum: 10 USD
"""
WHOSE = (("ours", "acme"), ("ours", "bolt"), ("theirs", "acme"))


@contextmanager
def books(place: Path) -> Iterator[Api]:
    """Each contract began last December, so at least one period of each is over; `runs` are the outcomes."""
    begun, contracts = day_of("UTC", SYSTEM.now_ns()).year - 1, list[str]()
    (place / "type.yaml").write_text(TYPE)
    for tenant, customer in WHOSE:
        file = place / f"{tenant}-{customer}.yaml"
        file.write_text(TERMS.format(tenant=tenant, customer=customer, begun=begun))
        contracts.append(str(file))
    said = {"ledger": str(place / "ledger"), "outcomes": [str(place / "type.yaml")], "contracts": contracts}
    settings, claims = Settings.model_validate({**said, "tenant": "ours"}), list[str]()
    with Desk.open(settings.ledger, {"tenant": "ours"}) as desk:
        for tenant, customer in WHOSE:
            with Run("refunds", customer=customer, tenant=tenant, desk=desk) as run, run.agent("ada"):
                claims.append(run.claim("refund.resolved", subject=f"{customer}-1", evidence={"paid": True}))
    bureau = Bureau(settings)
    try:
        yield Api(bureau, claims)
    finally:
        bureau.close()
