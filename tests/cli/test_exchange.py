"""Packs, receipts, exports and webhooks by command, on a ledger with a closed month."""

import csv
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from comptroller.core.clock import FrozenClock
from comptroller.core.outcome import WHOLE, OutcomeEvent
from comptroller.core.settings import Settings
from comptroller.metering.contract_reader import read_contracts
from comptroller.metering.identity import identity
from comptroller.metering.outcome_types import load_types, write_terms
from comptroller.office.agreements import Agreements, announce
from comptroller.office.bookkeeper import Bookkeeper
from comptroller.office.close import close
from comptroller.office.outcomes import Registry
from comptroller.policies.load import load_policies
from comptroller.store.ledger import Ledger
from comptroller.wrapper.desk import Desk
from tests.office.agreed import FLAT, JANUARY, NANO, TYPE

Say = Callable[..., Any]
SUBJECT = '=HYPERLINK("http://evil","pay")'


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A ledger whose January is closed: three outcomes, one invoice."""
    path, clock = tmp_path / "ledger", FrozenClock(JANUARY * NANO)
    (tmp_path / "contracts.yaml").write_text(FLAT)
    settings = Settings.model_validate({"ledger": str(path), "contracts": [str(tmp_path / "contracts.yaml")]})
    types, book = load_types([("type.yaml", TYPE)]), read_contracts([("contracts.yaml", FLAT)])
    with Desk(settings, Ledger.open(path, settings, clock), clock, load_policies([])) as desk:
        announce(desk, settings.contracts)
        registry = Registry(desk, types, Agreements(book))
        keeper = Bookkeeper(desk, registry, book)
        for number in range(3):
            _verify(registry, types["refund.resolved"], f"o{number}", SUBJECT if number == 0 else f"s{number}")
        clock.tick(32 * 86_400)
        close(keeper)
    return path


def _verify(registry: Registry, type: object, key: str, subject: str) -> None:
    clock = registry.desk.clock
    contract, terms = registry.agreed.terms("default", "acme", type, clock.now_ns())  # type: ignore[arg-type]
    data = {"tenant": "default", "customer": "acme", "type": "refund.resolved", "subject": subject, "agents": ["ada"],
            "identity": identity("default", "acme", "refund.resolved", subject, 0), "degree": WHOLE,
            "contract": contract, "terms": write_terms(terms)}  # fmt: skip
    for name, attestor, said in (("claim", "", data), ("verify_pass", "", {}), ("confirm", "customer", {})):
        registry.tell(OutcomeEvent(f"{key}:{name}", key, name, clock.now_ns(), attestor=attestor, data=said))


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_pack_is_made_and_recounted_elsewhere_without_the_ledger(cli: Say, closed: Path) -> None:
    assert cli("audit", "pack", "INV-2026-0001", "--ledger", closed).code == 0
    assert cli("receipts", "key", "--out", "key.pem", "--ledger", closed).code == 0
    closed.rename(closed.with_name("gone"))
    said = cli("audit", "verify", "INV-2026-0001.zip", "--key", "key.pem")
    assert (said.code, "1 PASS, 0 FAIL, 0 UNPROVABLE" in said.out) == (0, True)
    told = json.loads(cli("audit", "verify", "INV-2026-0001.zip", "--json").out)
    assert (told["ok"], told["key_given"], told["pass"]) == (True, False, 1)


def test_a_changed_pack_exits_with_one_and_says_why(cli: Say, closed: Path) -> None:
    cli("audit", "pack", "INV-2026-0001", "--out", "p.zip", "--ledger", closed)
    data = bytearray(Path("p.zip").read_bytes())
    data[len(data) // 2] ^= 1
    Path("p.zip").write_bytes(data)
    said = cli("audit", "verify", "p.zip")
    assert said.code == 1
    assert "fail" in said.out
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("audit", "verify", "none.zip"),
        ("audit", "verify", "--key", "key.pem"),
        ("audit", "verify", "p.zip", "--bodies"),
        ("receipts", "verify", "none.jws"),
        ("receipts", "verify", "none.jws", "--key", "none.pem"),
        ("books", "export", "everything"),
        ("books", "export", "lines", "--format", "xml"),
    ],
)
def test_wrong_use_is_said_without_a_traceback(cli: Say, arguments: tuple[str, ...]) -> None:
    said = cli(*arguments)
    assert said.code == 2
    assert said.err


def test_audit_verify_without_a_pack_checks_the_ledger_as_before(cli: Say, closed: Path) -> None:
    said = cli("audit", "verify", "--ledger", closed)
    assert (said.code, "books in step" in said.out) == (0, True)


def test_a_receipt_goes_to_another_ledger_and_comes_back_counter_signed(cli: Say, closed: Path, tmp_path: Path) -> None:
    Ledger.open(tmp_path / "theirs", Settings()).close()
    ours, theirs = ("--ledger", closed), ("--ledger", tmp_path / "theirs")
    cli("receipts", "key", "--out", "ours.pem", *ours)
    cli("receipts", "key", "--out", "theirs.pem", *theirs)
    first = cli("receipts", "issue", "o1", "--as", "Agents Inc", *ours).out
    assert cli("receipts", "issue", "o1", *ours).out == first
    Path("r.jws").write_text(first)
    both = cli("receipts", "countersign", "r.jws", "--as", "Acme Ltd", "--key", "ours.pem", *theirs)
    assert both.code == 0
    Path("both.jws").write_text(both.out)
    said = cli("receipts", "verify", "both.jws", "--key", "ours.pem", "--key", "theirs.pem", "--json")
    told = json.loads(said.out)
    assert (told["ok"], told["by"], told["receipt"]["issuer"]) == (True, "Acme Ltd", "Agents Inc")
    assert cli("receipts", "verify", "both.jws", "--key", "ours.pem").code == 1
    assert cli("receipts", "keep", "both.jws", "--key", "theirs.pem", *ours).code == 0
    assert cli("receipts", "keep", "r.jws", "--key", "theirs.pem", *ours).code == 2


def test_receipts_are_issued_for_all_that_lack_one(cli: Say, closed: Path) -> None:
    assert "3 new receipts, 3 in all" in cli("receipts", "issue", "--ledger", closed).out
    assert "0 new receipts, 3 in all" in cli("receipts", "issue", "--ledger", closed).out
    assert cli("receipts", "issue", "o9", "--ledger", closed).code == 2


@pytest.mark.parametrize(
    ("what", "form"),
    [("invoices", "json"), ("lines", "parquet"), ("events", "csv"), ("outcomes", "parquet"), ("focus-1.2", "csv"),
     ("focus-1.4", "json"), ("focus-invoices", "parquet")],
)  # fmt: skip
def test_everything_is_exported_in_the_form_asked_for(cli: Say, closed: Path, what: str, form: str) -> None:
    said = cli("books", "export", what, "--format", form, "--out", "out", "--ledger", closed)
    assert said.code == 0
    data = Path("out").read_bytes()
    assert {"csv": lambda: len(rows(data.decode())), "json": lambda: len(json.loads(data)),
            "parquet": lambda: data[:4] == b"PAR1"}[form]()  # type: ignore[no-untyped-call]  # fmt: skip


def test_a_subject_that_a_spreadsheet_would_run_is_harmless_in_csv(cli: Say, closed: Path) -> None:
    for more, subject in (((), f"'{SUBJECT}"), (("--raw",), SUBJECT)):
        cli("books", "export", "items", "--out", "out.csv", "--ledger", closed, *more)
        assert rows(Path("out.csv").read_text())[0]["subject"] == subject


def test_the_general_ledger_balances_where_it_was_exported(cli: Say, closed: Path) -> None:
    cli("books", "export", "gl", "--format", "json", "--out", "gl.json", "--ledger", closed)
    from decimal import Decimal

    found = json.loads(Path("gl.json").read_text())
    debit, credit = (sum(Decimal(row[side] or 0) for row in found) for side in ("debit", "credit"))
    assert debit == credit > 0


def test_cloud_events_and_bounds(cli: Say, closed: Path) -> None:
    cli("books", "export", "openmeter", "--out", "events.json", "--ledger", closed)
    assert len(json.loads(Path("events.json").read_text())) == 3
    cli("books", "export", "lines", "--customer", "nobody", "--out", "none.csv", "--ledger", closed)
    assert rows(Path("none.csv").read_text()) == []


def test_stripe_asks_for_its_key_and_for_who_is_who(cli: Say, closed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STRIPE_API_KEY", raising=False)
    assert "--customers" in cli("books", "export", "stripe", "--ledger", closed).err
    Path("who.yaml").write_text("acme: cus_1\n")
    said = cli("books", "export", "stripe", "--customers", "who.yaml", "--ledger", closed)
    assert (said.code, "STRIPE_API_KEY is not set" in said.err) == (2, True)
    Path("who.yaml").write_text("- acme\n")
    assert cli("books", "export", "stripe", "--customers", "who.yaml", "--ledger", closed).code == 2


def test_webhooks_are_listed_and_what_waits_is_counted(cli: Say, closed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "No webhooks" in cli("webhooks", "ls", "--ledger", closed).out
    assert cli("webhooks", "send", "--ledger", closed).code == 2
    hook = "webhooks: [{name: crm, url: 'http://127.0.0.1:1/', secret_env: CRM}]\n"
    Path("comptroller.yaml").write_text(hook)
    monkeypatch.setenv("CRM", "shared")
    told = json.loads(cli("webhooks", "send", "--json", "--ledger", closed).out)
    assert told == {"delivered": 0, "waiting": 0}
    (row,) = json.loads(cli("webhooks", "ls", "--json", "--ledger", closed).out)
    assert (row["hook"], row["waiting"]) == ("crm", 0)


def test_a_pack_tells_nothing_of_the_ledgers_keys(cli: Say, closed: Path) -> None:
    cli("audit", "pack", "INV-2026-0001", "--out", "p.zip", "--evidence", "--ledger", closed)
    with zipfile.ZipFile("p.zip") as archive:
        names = set(archive.namelist())
    assert names == {"manifest.json", "manifest.jws", "invoice.json", "contracts.json", "records.ndjson", "proof.json",
                     "evidence.ndjson", "usage.ndjson", "rates.json"}  # fmt: skip
    data = Path("p.zip").read_bytes()
    for secret in (closed / "keys").iterdir():
        content = secret.read_bytes().strip()
        assert len(content) < 16 or secret.suffix == ".pub" or content not in data
