"""All rooms of `/api`. A new one lists its routes here and has a place in the OpenAPI document."""

from comptroller.gateway.api import audit, budgets, calls, claims, keys, policies, query, runs

ROUTES = (
    *runs.ROUTES,
    *calls.ROUTES,
    *claims.ROUTES,
    *budgets.ROUTES,
    *policies.ROUTES,
    *keys.ROUTES,
    *audit.ROUTES,
    *query.ROUTES,
)
