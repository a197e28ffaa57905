"""An owner that lives and hangs up at one request again and again: the caller is told, and does not ask for ever."""

from pathlib import Path

import pytest

from comptroller.core.errors import StoreError
from comptroller.core.facts import CLAIM, Fact
from comptroller.core.settings import Settings
from comptroller.store.ledger import Ledger
from comptroller.store.server import Server


def test_a_request_that_its_owner_cannot_stand_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, other = (Ledger.open(tmp_path / "ledger", Settings()) for _ in range(2))

    def stumble(self: Server, *args: object) -> None:
        raise RuntimeError("a mistake of ours")

    with monkeypatch.context() as patch:
        patch.setattr(Server, "_enter", stumble)
        with pytest.raises(StoreError, match=r"hangs up at this request \(record\) again and again"):
            other.record(Fact(CLAIM, "c1", 1))
    other.record(Fact(CLAIM, "c2", 1))
    assert owner.local
    other.close()
    owner.close()
