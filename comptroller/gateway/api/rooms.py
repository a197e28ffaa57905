"""All rooms of `/api`. A new one lists its routes here and has a place in the OpenAPI document."""

from comptroller.gateway.api import (
    approvals,
    audit,
    billing,
    books,
    budgets,
    calls,
    claims,
    contracts,
    economics,
    invoices,
    keys,
    orders,
    outcome_doors,
    outcomes,
    people,
    policies,
    query,
    receipts,
    runs,
    talk,
)

ROUTES = (
    *runs.ROUTES,
    *calls.ROUTES,
    *talk.ROUTES,
    *claims.ROUTES,
    *outcomes.ROUTES,
    *invoices.ROUTES,
    *billing.ROUTES,
    *books.ROUTES,
    *contracts.ROUTES,
    *economics.ROUTES,
    *receipts.ROUTES,
    *approvals.ROUTES,
    *budgets.ROUTES,
    *orders.ROUTES,
    *policies.ROUTES,
    *keys.ROUTES,
    *people.ROUTES,
    *audit.ROUTES,
    *query.ROUTES,
)
# Answered to whoever comes, as what they bring is signed, or to the console's own process. Not in the OpenAPI document,
# for no key opens them.
OPEN = (*outcome_doors.ROUTES, *people.DOORS)
