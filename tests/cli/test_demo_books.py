"""`make demo-books`: a month of three customers, closed, drawn and in balance."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("duckdb")
pytest.importorskip("typst")
pytest.importorskip("openai")
ROOT = Path(__file__).parent.parent.parent


def play(ledger: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "examples.demo_books", "--ledger", str(ledger)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, encoding="utf-8")


def test_the_demo_closes_a_month_and_its_books_balance(tmp_path: Path) -> None:
    said = play(tmp_path / "books")
    assert said.returncode == 0, said.stderr
    assert "It balances: the sum is zero in every currency." in said.stdout
    assert "INV-2026-0001  Acme Retail: 114.00 USD net, 0.00 tax, 114.00 due, 1 disputed held back" in said.stdout
    assert "CN-2026-0001  credits 1.50 USD: refunded to the wrong card" in said.stdout
    papers = sorted(path.name for path in (tmp_path / "books" / "invoices").glob("*.pdf"))
    assert papers == ["CN-2026-0001.pdf", "INV-2026-0001.pdf", "INV-2026-0002.pdf", "INV-2026-0003.pdf"]
    assert all((tmp_path / "books/invoices" / name).read_bytes().startswith(b"%PDF-") for name in papers)


def test_the_demo_leaves_directories_of_others_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    said = play(tmp_path)
    assert (said.returncode, "this is no demo of ours" in said.stderr) == (1, True)
    assert (tmp_path / "mine").read_text() == "precious"
