"""Sums kept as facts arrive (`schema/rollups.sql`), in the transaction of the slice that brings them."""

from typing import TYPE_CHECKING

from comptroller.store import statements

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class Rollups:
    """Adds what a slice brings to the sums. Run statement by statement between those of the writer."""

    def __init__(self, connection: "DuckDBPyConnection") -> None:
        self._connection = connection

    def add_calls(self, corrected: bool, seq: int) -> None:
        """After the calls and decisions behind record `seq` were booked. `corrected`: earlier rows were replaced."""
        self._do("call_moves")
        day, hour, failed = self._row(
            "SELECT CAST(least(min(day), (SELECT CAST(min(happened) AS DATE) FROM fresh)) AS VARCHAR), "
            "CAST(min(hour) AS VARCHAR), bool_or(failed <> 0) FROM call_moves"
        )
        if hour is None:
            return
        self._do("costs_daily", day=day)
        self._do("calls_hourly", hour=hour)
        if corrected:
            self._do("empty_days")
            self._do("empty_hours")
        if corrected or failed:
            self._add_failures(corrected, day)
        if self._row("SELECT count(*) FROM books.decisions WHERE seq > $seq", seq=seq)[0]:
            self._do("decisions_daily", seq=seq, day=day)

    def _add_failures(self, corrected: bool, day: object) -> None:
        self._do("passing_on")
        self._do("passed_on")
        self._do("failing")
        earlier = self._row("SELECT count(*) FROM passing_on WHERE seq NOT IN (SELECT seq FROM new_calls)")[0]
        if corrected or earlier:
            for name in ("unfailed", "forget_causes", "failing_again"):
                self._do(name)
        self._do("causes_daily", day=day)

    def watch_runs(self, lost: bool) -> None:
        """Before runs change: how those that will stand now."""
        self._do("touched")
        if lost:
            self._do("touched_lost")

    def add_runs(self) -> None:
        """After they have changed."""
        self._do("run_turns")
        (hour,) = self._row("SELECT CAST(min(hour) AS VARCHAR) FROM run_turns")
        if hour is not None:
            self._do("runs_hourly", hour=hour)
            self._do("empty_runs", hour=hour)

    def watch_agents(self, seq: int) -> None:
        """Before agents are closed that were opened up to record `seq`."""
        self._do("closing", seq=seq)

    def add_agents(self, seq: int) -> None:
        """After they are closed, and those behind record `seq` opened."""
        self._do("delegations_daily", seq=seq)

    def _do(self, name: str, **params: object) -> None:
        self._connection.execute(statements.ingest()[name], params or None)

    def _row(self, sql: str, **params: object) -> tuple[object, ...]:
        row: tuple[object, ...] | None = self._connection.execute(sql, params or None).fetchone()
        assert row is not None
        return row
