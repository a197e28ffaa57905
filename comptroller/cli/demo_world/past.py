"""The clock of the weeks before today."""

from comptroller.core.clock import FrozenClock


class Past(FrozenClock):
    """A clock that is told what time it is, and never goes back."""

    def go(self, at_ns: int) -> None:
        """Move on to a time; where work took longer than that, it stays."""
        self._now_ns = max(self._now_ns, at_ns)

    def takes(self, seconds: float) -> float:
        """Something takes so long: the clock says so, and nobody waits."""
        self.tick(seconds)
        return 0.0
