"""Opening the books of a desk: outcomes examined, contracts on record, and a bookkeeper who has caught up."""

from comptroller.core.errors import SettingsError
from comptroller.office.agreements import Agreements, announce
from comptroller.office.bookkeeper import Bookkeeper
from comptroller.office.outcome_desk import OutcomeDesk
from comptroller.office.outcomes import Registry
from comptroller.office.work import Records
from comptroller.store.reader import Reader
from comptroller.wrapper.desk import Desk


def keep_books(desk: Desk, reader: Reader, outcomes: OutcomeDesk | None = None) -> Bookkeeper:
    """A bookkeeper for a desk, after all work on outcomes that is due."""
    outcomes = outcomes or OutcomeDesk(desk, lambda: reader)
    outcomes.work()
    return keeper_of(desk, reader, outcomes)


def keeper_of(desk: Desk, reader: Reader, outcomes: OutcomeDesk) -> Bookkeeper:
    """A bookkeeper of what is known, who asks nobody elsewhere."""
    agreed = outcomes.registry.agreed
    assert isinstance(agreed, Agreements), "an outcome desk asks contracts"
    announce(desk, desk.settings.contracts)
    # A registry of its own, as a bookkeeper hears every event from the first.
    return Bookkeeper(desk, Registry(desk, outcomes.registry.types, agreed), agreed.contracts, Records(reader, desk.fx))


def need_contracts(keeper: Bookkeeper) -> None:
    """Refuse to close where nobody agreed on anything."""
    if not len(keeper.contracts):
        raise SettingsError(
            "There are no contracts, so there is nothing to invoice. Name their files under `contracts` in "
            "comptroller.yaml; docs/contracts.md shows one."
        )
