"""Errors a caller may want to catch apart; each says reason, place and remedy."""


class ComptrollerError(Exception):
    """Anything Comptroller raises on purpose."""


class SettingsError(ComptrollerError):
    """A configuration or policy file cannot be used; the message lists every mistake."""


class StoreError(ComptrollerError):
    """The ledger cannot be opened, written or read."""


class UpstreamError(ComptrollerError):
    """The provider failed or could not be reached."""


class Refused(ComptrollerError):
    """A call was refused before or after it was sent; `code` and `details` are for machines."""

    code = "refused"
    status = 403

    def __init__(self, message: str, details: dict[str, object] | None = None) -> None:
        super().__init__(message)
        self.details: dict[str, object] = details or {}


class Denied(Refused):
    """A policy or guard forbids the call."""

    code = "denied"
    status = 403


class OverBudget(Refused):
    """The call could pass a cap."""

    code = "over_budget"
    status = 402


class RateLimited(Refused):
    """The call comes too soon, or beside too many others; the same call may pass in a moment."""

    code = "rate_limited"
    status = 429


class NotApproved(Refused):
    """The call needs a person's approval that it does not have."""

    code = "approval_pending"
    status = 409


BY_CODE: dict[str, type[Refused]] = {kind.code: kind for kind in (Denied, OverBudget, RateLimited, NotApproved)}
