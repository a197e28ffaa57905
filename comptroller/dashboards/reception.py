"""Letting people in and out, as `/api` puts it on record; and what a provider of identities makes of them here."""

from collections.abc import Mapping, Sequence
from typing import Any

from comptroller.core.settings import Oidc, RoleRule, Settings
from comptroller.dashboards.sessions import Digest, Sessions
from comptroller.office.people import ENTER, Identity, NotLetIn, Person, link_digest, usable
from comptroller.office.switchboard import Declined, Switchboard
from comptroller.office.who import Who


class Reception:
    """Where people sign in."""

    def __init__(self, settings: Settings, switchboard: Switchboard, sessions: Sessions, digest: Digest) -> None:
        self.settings, self.sessions = settings, sessions
        self._switchboard, self._digest = switchboard, digest
        self._who = Who(settings.tenant, rights=(ENTER,))

    def look(self, token: str, now_ns: int) -> str:
        """Whom a link is for, without using it; NotLetIn where it opens nothing."""
        register = self.sessions.roll.now()
        link = usable(register, link_digest(token, self._digest), now_ns)
        return register.entries[link.person].person.name

    def enter(self, token: str) -> str:
        """Use a link; the cookie of a session."""
        return self._begin("/api/console/enter", {"token": token})

    def enter_as(self, claims: Mapping[str, Any]) -> str:
        """Let in whom the provider vouches for; the cookie of a session."""
        oidc = self.settings.console.oidc
        assert oidc is not None, "there is a provider"
        identity = identity_of(claims, oidc, self.settings.tenant)
        said = {name: getattr(identity, name) for name in ("issuer", "subject", "name", "role", "tenant", "customer")}
        return self._begin("/api/console/vouch", said)

    def leave(self, session: str, person: Person) -> None:
        """End a session."""
        self._switchboard.post(self._who, "/api/console/leave", {"session": session, "person": person.id})
        self.sessions.roll.now()

    def _begin(self, path: str, said: Mapping[str, object]) -> str:
        try:
            told = self._switchboard.post(self._who, path, {**said, "hours": self.settings.console.session_hours})
        except Declined as error:
            raise NotLetIn(str(error)) from None
        self.sessions.roll.now()
        return self.sessions.begin(str(told["session"]))


def identity_of(claims: Mapping[str, Any], oidc: Oidc, tenant: str) -> Identity:
    """Who somebody is here, by the claims of a checked id token; NotLetIn where the settings say nothing of them."""
    subject = claims.get("sub")
    if str(claims.get("iss", "")).rstrip("/") != oidc.issuer.rstrip("/") or not isinstance(subject, str) or not subject:
        raise NotLetIn(f"Whoever vouches for you is not {oidc.issuer}. Sign in there.")
    rule = next((each for each in oidc.roles if _fits(each, claims, oidc.claim)), None)
    name = _name(claims)
    if rule is None:
        raise NotLetIn(
            f"{name} has no role here. Ask an admin to name you, or a group of yours, under `console: oidc: roles`."
        )
    return Identity(oidc.issuer, subject, name, rule.role, rule.tenant or tenant, rule.customer)


def _fits(rule: RoleRule, claims: Mapping[str, Any], claim: str) -> bool:
    if rule.subject:
        return claims.get("sub") == rule.subject
    if rule.email:
        return claims.get("email_verified") is True and str(claims.get("email", "")).lower() == rule.email.lower()
    groups = claims.get(claim)
    listed: Sequence[object] = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else ()
    return rule.group in listed


def _name(claims: Mapping[str, Any]) -> str:
    """What the record calls them: an address only where the provider says it is theirs."""
    verified = claims.get("email") if claims.get("email_verified") is True else None
    return str(verified or claims.get("preferred_username") or claims.get("name") or claims["sub"])[:80].strip()
