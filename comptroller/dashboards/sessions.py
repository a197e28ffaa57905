"""Sessions of the console: what a cookie says, whether it still counts, and whose it is."""

import threading
from collections.abc import Callable, Mapping
from hmac import compare_digest
from http.cookies import CookieError, SimpleCookie

from comptroller.core.clock import Clock
from comptroller.core.settings import Settings
from comptroller.office.people import LOCAL, Person
from comptroller.office.roll import Roll

SECOND = 1_000_000_000
FRESH_NS = 60 * SECOND  # how old what a cookie says of the last look may be before the browser gets a new one
_MARK = b"comptroller console session 1\0"
_LONGEST = 200
Digest = Callable[[bytes], str]


class Sessions:
    """Who is in. Thread-safe.

    A cookie names a session on record and when it was last used, under the ledger's own key. What the record says of
    the person counts at each look: a role that changed, or a removal, needs no new cookie.
    """

    def __init__(self, settings: Settings, roll: Roll, digest: Digest, clock: Clock, cookie: str, wide: bool) -> None:
        """`wide`: others than this machine can reach us, so nobody is ever let in without sign-in."""
        self._settings, self.roll, self._digest, self._clock = settings, roll, digest, clock
        self._wide = wide or bool(settings.console.url)
        self._idle_ns = settings.console.idle_minutes * 60 * SECOND
        self._seen: dict[str, int] = {}
        self._turn = threading.Lock()
        self.cookie = cookie
        self._local = Person("", LOCAL, "admin", settings.tenant)

    @property
    def free(self) -> bool:
        """True where nobody needs to sign in: only this machine can look, and nobody was ever given a key or a link."""
        if self._wide or self._settings.console.oidc or self._known:
            return False
        self.roll.refresh()  # at each look: the first key and the first link shut the door at once
        return not self._known

    @property
    def _known(self) -> bool:
        return self.roll.keyed or bool(self.roll.register.entries)

    def person(self, cookies: Mapping[str, str], touch: bool = True) -> Person | None:
        """Who looks; None where nobody is signed in, or no longer."""
        if self.free:
            return self._local
        session = self.session(cookies)
        return None if session is None else self.inside(session, touch)

    def session(self, cookies: Mapping[str, str]) -> str | None:
        """The session a cookie of ours names, whether or not it still counts."""
        session, _, rest = cookies.get(self.cookie, "").partition(".")
        seen, _, mac = rest.partition(".")
        if len(rest) > _LONGEST or not mac.isascii() or not (seen.isascii() and seen.isdigit()):
            return None
        if not compare_digest(mac, self._mac(session, seen)):
            return None
        with self._turn:
            self._seen[session] = max(self._seen.get(session, 0), int(seen) * SECOND)
        return session

    def inside(self, session: str, touch: bool = False) -> Person | None:
        """Who a session is of; None where it ended. With `touch` this counts as a look."""
        now = self._clock.now_ns()
        found = self.roll.register.in_session(session, now)
        with self._turn:
            if found is None or now - self._seen.get(session, 0) > self._idle_ns:
                self._seen.pop(session, None)
                return None
            if touch:
                self._seen[session] = now
        return found

    def begin(self, session: str) -> str:
        """The cookie of a session as of now."""
        now = self._clock.now_ns()
        with self._turn:
            self._seen[session] = now
        return self._written(session, now // SECOND)

    def renewed(self, cookies: Mapping[str, str], session: str) -> str | None:
        """A cookie in place of one that says too little of the last look."""
        said = int(cookies.get(self.cookie, "").split(".")[1]) * SECOND
        with self._turn:
            seen = self._seen.get(session, said)
        return self._written(session, seen // SECOND) if seen - said > FRESH_NS else None

    @property
    def lasts_s(self) -> int:
        """How long a browser keeps the cookie."""
        return self._settings.console.session_hours * 3600

    def _written(self, session: str, seen_s: int) -> str:
        return f"{session}.{seen_s}.{self._mac(session, str(seen_s))}"

    def _mac(self, session: str, seen: str) -> str:
        return self._digest(_MARK + f"{session}.{seen}".encode("utf-8", "backslashreplace"))


def cookies_of(header: str) -> dict[str, str]:
    """The cookies of a request; none where the header cannot be read."""
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(header)
    except CookieError:
        return {}
    return {name: morsel.value for name, morsel in jar.items()}
