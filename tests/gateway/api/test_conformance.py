"""Schemathesis finds no reply of `/api` that its document does not describe; `conformance.py` asks for longer."""

from pathlib import Path

import pytest

pytest.importorskip("duckdb")
pytest.importorskip("schemathesis")

from comptroller.gateway.api.rooms import ROUTES
from tests.gateway.api.conformance import check


@pytest.mark.schema
def test_no_request_makes_a_500_or_a_reply_that_contradicts_the_document(tmp_path: Path) -> None:
    done = check(tmp_path, examples=8, phases="fuzzing", seed=1)
    assert done.returncode == 0, done.stdout[-8000:]
    assert f"Tested: {len(ROUTES)}" in done.stdout
