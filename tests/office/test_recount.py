"""The recount: an honest invoice passes line by line, and whatever was done to it is found."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comptroller.core.facts import Fact
from comptroller.core.jws import canonical
from comptroller.metering.invoice import Invoice
from comptroller.office import pack, parcel, receipts, recount
from comptroller.office.calls import Calls
from comptroller.office.invoices import decode, digest, encode
from comptroller.office.pack import Wanted
from comptroller.office.receipts import Drawer
from comptroller.office.recount import Recount
from comptroller.office.settle import void
from comptroller.office.signing import Signer
from comptroller.store import segment
from tests.office.agreed import FLAT, House

KEY, OTHER = Signer(b"k" * 32), Signer(b"o" * 32)
TIERED = """
contract: acme-1
customer: acme
from: 2026-01-01
currency: EUR
outcomes:
  refund.resolved: {price: {model: graduated, tiers: [{up_to: 2, unit: 2}, {unit: 1}]}}
tokens: {markup_percent: 20}
premium: {percent: 10, per_run: 0.05}
minimum: {amount: 30 EUR}
discounts: [{name: Launch, percent: 10, kinds: [outcome]}]
tax: {name: VAT, percent: 19}
"""


def written(facts: list[Fact]) -> list[bytes]:
    """Facts as lines of a journal."""
    chain, lines = segment.genesis("test"), []
    for number, fact in enumerate(facts, 1):
        line, chain = segment.line(number, chain, segment.encode(fact)[1])
        lines.append(line[:-1])
    return lines


@dataclass
class Office:
    """A house that closes its months and packs its invoices."""

    contracts: str = FLAT
    house: House = field(init=False)

    def __post_init__(self) -> None:
        answers = Answers()
        self.house = House(self.contracts, answers=answers)
        answers.facts = self.house.desk.ledger.facts

    def call(self, agent: str = "ada", cost: int = 1_000_000_000, **more: object) -> None:
        now = self.house.clock.now_ns()
        data = {"tenant": "default", "customer": "acme", "agent": agent, "dialect": "openai.chat", "status": "ok",
                "cost": cost, "currency": "EUR", "ended": now, "usage": {"input": 10, "output": 5}, **more}  # fmt: skip
        id = self.house.clock.new_id()
        self.house.desk.ledger.record(Fact("call.closed", id, now, f"run-{agent}", id, data))

    def pack(self, number: str, signer: Signer = KEY, **more: Any) -> bytes:
        ledger = self.house.desk.ledger
        told = {"contracts": [("contracts.yaml", self.contracts)], "ledger": ledger, **more}
        return pack.pack(Wanted(number, lambda: written(ledger.facts), **told), signer, "test", 0)


class Answers:
    """The books, out of the same facts; what the real ones count is compared with this in tests of the store."""

    facts: list[Fact]
    usage: tuple[dict[str, object], ...] = ()

    def rows(self, name: str, **params: object) -> list[dict[str, object]]:
        if name not in ("work", "metered"):
            return []
        return Calls(self.facts, self.usage).rows(name, **params)


def counted(data: bytes, path: Path) -> Recount:
    (path / "pack.zip").write_bytes(data)
    return recount.recount(path / "pack.zip", KEY.public)


def verdicts(found: Recount) -> list[str]:
    return [check.verdict for check in found.lines]


@pytest.fixture
def flat() -> Office:
    office = Office()
    for _ in range(3):
        office.house.verified()
    office.house.on(2).close()
    return office


@pytest.fixture
def tiered() -> Office:
    office = Office(TIERED)
    for _ in range(4):
        office.house.verified()
    for agent in ("ada", "bo"):
        office.call(agent, 1_234_567_891)
    office.call("bo", status="denied")
    office.call("bo", customer="bolt")
    office.house.on(2).close()
    office.house.verified()
    office.call("ada")
    office.house.on(3).close()
    return office


def test_an_honest_invoice_passes_offline_with_the_public_key_alone(flat: Office, tmp_path: Path) -> None:
    found = counted(flat.pack("INV-2026-0001"), tmp_path)
    assert found.ok, found
    assert verdicts(found) == ["PASS"]
    assert (found.key, found.given) == (KEY.kid, True)
    assert {check.what: check.verdict for check in found.checks} == dict.fromkeys(
        ("signature", "journal", "invoice", "contract", "totals"), "PASS"
    )


@pytest.mark.parametrize("number", ["INV-2026-0001", "INV-2026-0002"])
def test_tiers_tokens_premium_minimum_discount_and_tax_are_recounted(
    tiered: Office, tmp_path: Path, number: str
) -> None:
    found = counted(tiered.pack(number), tmp_path)
    assert found.ok, found
    assert len(found.lines) >= 4
    assert set(verdicts(found)) == {"PASS"}


def test_an_invoice_stays_provable_after_what_came_later(flat: Office, tmp_path: Path) -> None:
    flat.house.tell("o1", "reopen")
    flat.house.verified()
    flat.house.on(3).close()
    assert counted(flat.pack("INV-2026-0001"), tmp_path).ok
    assert counted(flat.pack("INV-2026-0002"), tmp_path).ok


def test_without_the_calls_their_lines_are_unprovable_and_nothing_fails(tiered: Office, tmp_path: Path) -> None:
    found = counted(tiered.pack("INV-2026-0001", calls=False), tmp_path)
    assert found.ok
    by_kind = dict(zip([check.what for check in found.lines], verdicts(found), strict=True))
    assert by_kind["Model tokens"] == "UNPROVABLE"


def test_a_contract_that_is_not_there_makes_lines_unprovable(flat: Office, tmp_path: Path) -> None:
    flat.contracts = FLAT.replace("1.50", "1.40")
    found = counted(flat.pack("INV-2026-0001"), tmp_path)
    assert found.ok
    assert verdicts(found) == ["UNPROVABLE"]


def test_nothing_of_another_customer_is_in_a_pack(tmp_path: Path) -> None:
    other = FLAT.replace("acme", "bolt").replace("1.50", "7.77")
    both = "contracts:\n" + "".join("  - " + text.strip().replace("\n", "\n    ") + "\n" for text in (FLAT, other))
    office = Office(both)
    office.house.verified()
    office.house.verified("bolt", subject="bolts-own")
    office.house.on(2).close()
    data = office.pack("INV-2026-0001")
    assert counted(data, tmp_path).ok
    assert b"acme" in data
    assert b"bolt" not in data
    assert b"7.77" not in data


def test_an_invoice_that_took_the_place_of_a_void_one_passes(flat: Office, tmp_path: Path) -> None:
    void(flat.house.keeper, "INV-2026-0001", "wrong address")
    flat.house.verified()
    flat.house.on(3).close()
    numbers = [invoice.number for invoice in flat.house.keeper.invoices.invoices.values() if invoice.state != "void"]
    for number in numbers:
        found = counted(flat.pack(number), tmp_path)
        assert (found.ok, set(verdicts(found))) == (True, {"PASS"}), found


def test_calls_of_earlier_months_that_came_late_are_recounted(tiered: Office, tmp_path: Path) -> None:
    late = tiered.house.clock.now_ns() - 40 * 86_400 * 10**9
    tiered.call("ada", ended=late)
    tiered.call("bo")
    tiered.house.open().on(4).close()  # a bookkeeper asks for each month's work once, so a new one has to
    found = counted(tiered.pack("INV-2026-0003"), tmp_path)
    assert (found.ok, set(verdicts(found))) == (True, {"PASS"}), found
    assert any("2026-" in check.what for check in found.lines)


def test_a_hold_that_expired_is_counted_at_its_estimate_until_its_call_comes(tmp_path: Path) -> None:
    office = Office(TIERED)
    now, ledger = office.house.clock.now_ns(), office.house.desk.ledger
    who = {"tenant": "default", "customer": "acme", "agent": "ada", "dialect": "openai.chat", "currency": "EUR"}
    hold = {"hold": {"id": "h", "lines": [["run", "EUR", 2_000_000_000]]}}
    for call in ("lost", "found"):
        ledger.record(Fact("call.opened", f"{call}1", now, "r", call, who))
        ledger.record(Fact("hold.expired", f"{call}2", now, "r", call, hold))
    office.call(cost=1_000_000_000)
    ended = {**who, "status": "ok", "cost": 500_000_000, "ended": now}
    ledger.record(Fact("call.closed", "found3", now, "r", "found", ended))
    office.house.on(2).close()
    found = counted(office.pack("INV-2026-0001"), tmp_path)
    assert found.ok, found
    token = next(check for check in found.lines if check.what == "Model tokens")
    assert (token.verdict, token.amount) == ("PASS", "4.20")  # 2 lost, 1 and 0.50 found, and 20 % on top


METERED = """
contract: acme-1
customer: acme
from: 2026-01-01
currency: USD
usage: {pages: {price: {model: graduated, tiers: [{up_to: 100, unit: 0.10}, {unit: 0.05}]}}}
tax: {name: VAT, percent: 20}
"""


def test_metered_usage_is_counted_from_its_events_and_unprovable_without_them(tmp_path: Path) -> None:
    office = Office(METERED)
    at = office.house.clock.now_ns()
    row = {"tenant": "default", "customer": "acme", "meter": "pages", "quantity": "62.5"}
    events = tuple({**row, "event": f"u{n}", "source": "crm", "happened": at + n} for n in range(3))
    office.house.answers.usage = events
    office.house.on(2).close()
    found = counted(office.pack("INV-2026-0001", usage=events), tmp_path)
    assert (verdicts(found), found.lines[0].amount) == (["PASS"], "14.38")  # 100 at 0.10, 87.5 at 0.05
    assert verdicts(counted(office.pack("INV-2026-0001", usage=events[:2]), tmp_path)) == ["FAIL"]
    assert verdicts(counted(office.pack("INV-2026-0001"), tmp_path)) == ["UNPROVABLE"]


def test_receipts_travel_along_and_are_checked(flat: Office, tmp_path: Path) -> None:
    desk, drawer = flat.house.desk, Drawer()
    outcomes = flat.house.registry.outcomes.values()
    receipts.issue_missing(desk.ledger, flat.house.clock, KEY, outcomes, drawer, "Agents Inc")
    found = counted(flat.pack("INV-2026-0001"), tmp_path)
    assert "3 signed" in next(check.why for check in found.checks if check.what == "receipts")
    forged = receipts.issue(desk.ledger, flat.house.clock, OTHER, next(iter(outcomes)), "Agents Inc")
    assert forged
    assert not counted(flat.pack("INV-2026-0001"), tmp_path).ok


def test_evidence_is_committed_to_and_its_texts_come_when_asked_for(tmp_path: Path) -> None:
    office = Office()
    (kept,) = office.house.desk.ledger.keep([b'{"refunded":true}'], "default", "acme")
    key = office.house.claim()
    office.house.count += 1
    from comptroller.core.outcome import OutcomeEvent

    now = office.house.clock.now_ns()
    office.house.registry.tell(OutcomeEvent("ev", key, "evidence", now, evidence=(kept, "erased")))
    office.house.tell(key, "verify_pass")
    office.house.tell(key, "confirm", attestor="customer")
    office.house.on(2).close()
    assert b"refunded" not in office.pack("INV-2026-0001")
    found = counted(office.pack("INV-2026-0001", evidence=True), tmp_path)
    assert found.ok
    said = next(check.why for check in found.checks if check.what == "evidence")
    assert said == "2 digests, 1 with their texts, 1 erased or never kept"


# -- what is done to it

Change = Callable[[dict[str, Any]], None]


def cooked(office: Office, change: Change, number: str = "INV-2026-0001") -> bytes:
    """A pack by an issuer that put another invoice on record, consistent in itself, and signed it."""
    facts = office.house.desk.ledger.facts
    index, fact = next((i, f) for i, f in enumerate(facts) if f.data.get("number") == number and f.data.get("document"))
    document: dict[str, Any] = json.loads(canonical(fact.data["document"]))
    change(document)
    invoice: Invoice = decode(document)
    made = encode(Invoice(**{**{f: getattr(invoice, f) for f in invoice.__slots__}, "digest": digest(invoice)}))
    facts[index] = Fact(fact.kind, fact.id, fact.at, data={**fact.data, "document": made})
    return office.pack(number)


def dearer(document: dict[str, Any]) -> None:
    for name in ("gross", "exact"):
        document["lines"][0][name] += 10**9
    document["totals"]["subtotal"] += 10**9


def padded(document: dict[str, Any]) -> None:
    items = document["lines"][0]["items"]
    items.append(["o99", *items[0][1:]])
    document["lines"][0]["quantity"] = "4"


def taxed(document: dict[str, Any]) -> None:
    document["lines"][0]["tax"] += 10**7
    document["totals"]["tax"] += 10**7


def invented(document: dict[str, Any]) -> None:
    document["lines"].append({**document["lines"][0], "title": "Handling", "kind": "usage", "items": []})


def dropped(document: dict[str, Any]) -> None:
    document["lines"].pop()


def shifted(document: dict[str, Any]) -> None:
    document["totals"]["subtotal"] -= 10**9


@pytest.mark.parametrize("change", [dearer, padded, taxed, invented, dropped, shifted])
def test_an_invoice_that_says_more_or_other_than_its_records_fails(
    flat: Office, tmp_path: Path, change: Change
) -> None:
    found = counted(cooked(flat, change), tmp_path)
    assert not found.ok
    assert all(check.why for check in (*found.checks, *found.lines) if check.verdict == "FAIL")


def test_a_fee_frozen_higher_than_the_contract_says_fails(tmp_path: Path) -> None:
    office = Office()
    office.house.registry.agreed.quote = lambda *_: (version, money)  # type: ignore[method-assign]
    from comptroller.core.money import Money

    version, money = next(iter(office.house.keeper.contracts)).fees["refund.resolved"].version, Money(2 * 10**9, "USD")
    office.house.verified()
    office.house.on(2).close()
    found = counted(office.pack("INV-2026-0001"), tmp_path)
    assert verdicts(found) == ["FAIL"]
    assert "frozen at 2.00 USD, the contract says 1.50 USD" in found.lines[0].why


def test_an_outcome_that_was_reversed_before_and_billed_all_the_same_fails(flat: Office, tmp_path: Path) -> None:
    facts = flat.house.desk.ledger.facts
    cut = next(i for i, fact in enumerate(facts) if fact.kind == "books.invoice")
    event = {"outcome": "o1", "type": "reopen", "at": facts[cut].at, "evidence": [], "data": {}, "state": "reversed"}
    facts.insert(cut, Fact("outcome", "e-hidden", facts[cut].at, data=event))
    found = counted(flat.pack("INV-2026-0001"), tmp_path)
    assert verdicts(found) == ["FAIL"]


def test_another_key_fails_and_the_packs_own_key_is_told(flat: Office, tmp_path: Path) -> None:
    (tmp_path / "pack.zip").write_bytes(flat.pack("INV-2026-0001", OTHER))
    assert not recount.recount(tmp_path / "pack.zip", KEY.public).ok
    found = recount.recount(tmp_path / "pack.zip")
    assert (found.ok, found.key, found.given) == (True, OTHER.kid, False)


def test_a_record_from_nowhere_is_not_in_the_journal(flat: Office, tmp_path: Path) -> None:
    opened = parcel.unpack(flat.pack("INV-2026-0001"))
    files = dict(opened.files)
    files[pack.RECORDS] = files[pack.RECORDS].replace(b"customer", b"costumer", 1)
    found = counted(parcel.pack(files, opened.about, KEY), tmp_path)
    assert next(check for check in found.checks if check.what == "journal").verdict == "FAIL"


SMALL = Office()
SMALL.house.verified()
SMALL.house.on(2).close()
PACKED = SMALL.pack("INV-2026-0001")


@settings(max_examples=300)
@given(st.integers(0, len(PACKED) - 1), st.integers(1, 255))
def test_a_changed_byte_of_a_pack_is_found(tmp_path_factory: pytest.TempPathFactory, at: int, by: int) -> None:
    changed = bytearray(PACKED)
    changed[at] ^= by
    path = tmp_path_factory.getbasetemp() / "changed.zip"
    path.write_bytes(changed)
    assert not recount.recount(path).ok


@settings(max_examples=100)
@given(st.sampled_from(sorted(parcel.unpack(PACKED).files)), st.data())
def test_whatever_an_issuer_signs_is_judged_and_never_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    opened = parcel.unpack(PACKED)
    body = bytearray(opened.files[name])
    junk = data.draw(st.binary(min_size=1, max_size=8))
    at = data.draw(st.integers(0, len(body)))
    body[at : at + len(junk)] = junk
    path = tmp_path_factory.getbasetemp() / "signed.zip"
    path.write_bytes(parcel.pack({**opened.files, name: bytes(body)}, opened.about, KEY))
    recount.recount(path)


def test_an_invoice_that_is_not_there_is_said(flat: Office) -> None:
    with pytest.raises(pack.SettingsError, match="no invoice 'INV-1'"):
        flat.pack("INV-1")
