"""A circuit breaker: an upstream that keeps failing is left alone for a while."""

from comptroller.core.clock import Clock


class Breaker:
    """Opens after so many failures in a row; after the pause one call may try whether it is over."""

    def __init__(self, clock: Clock, failures: int, pause_s: int) -> None:
        self._clock, self._most, self._pause_ns = clock, failures, pause_s * 1_000_000_000
        self._failed = 0
        self._until_ns = 0

    @property
    def open(self) -> bool:
        """True while calls should go elsewhere; once the pause is over, the one who asks may try."""
        if self._failed < self._most:
            return False
        now = self._clock.monotonic_ns()
        if now < self._until_ns:
            return True
        self._until_ns = now + self._pause_ns  # this one tries, the others wait for what comes of it
        return False

    def worked(self) -> None:
        """The upstream answered."""
        self._failed = 0

    def failed(self) -> None:
        """The upstream could not be reached, or said that it is broken."""
        self._failed += 1
        if self._failed >= self._most:
            self._until_ns = self._clock.monotonic_ns() + self._pause_ns
