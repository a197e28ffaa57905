"""Building a price: the frame that was read becomes the nouns that rate."""

from dataclasses import replace
from fractions import Fraction

from comptroller.metering.rating import frame
from comptroller.metering.rating.capacity import Capacity, Reservation, Seats
from comptroller.metering.rating.line import ZERO
from comptroller.metering.rating.models import Block, Blocks, Committed, Flat, Menu, Package, Unit
from comptroller.metering.rating.price import Conversion, Model, Price
from comptroller.metering.rating.rounding import Rounding
from comptroller.metering.rating.shares import PERCENT, CostPlus, Dynamic, Percentage
from comptroller.metering.rating.tiers import Graduated, Tier, Volume
from comptroller.metering.rating.windows import Hours, Windows


def build(read: frame.PriceFrame) -> Price:
    """The price of a frame without faults."""
    rounding = Rounding(read.rounding.at, read.rounding.mode, read.rounding.places)
    price = Price(
        model=_model(read),
        currency=read.currency,
        rounding=rounding,
        discount_percent=read.discount_percent,
        minimum=read.minimum,
        maximum=read.maximum,
        again=read.again,
    )
    return _counting(price, read) if isinstance(read, frame.UnitsFrame) else price


def _counting(price: Price, read: frame.UnitsFrame) -> Price:
    change = read.convert
    convert = Conversion(change.multiply_by, change.divide_by, change.round) if change else None
    return replace(price, convert=convert, free=read.free, free_from=read.free_from)


def _model(read: frame.PriceFrame) -> Model:
    match read:
        case frame.UnitFrame():
            return Unit(read.unit, read.per)
        case frame.FlatFrame():
            return Flat(read.amount)
        case frame.TiersFrame():
            return _tiers(read)
        case frame.PackageFrame():
            return Package(read.size, read.amount, read.round)
        case frame.BlocksFrame():
            blocks = tuple(Block(block.size, block.price, block.most) for block in read.blocks)
            return Blocks(blocks, read.priced, read.beyond == "last")
        case frame.CommittedFrame():
            return Committed(read.quantity, read.unit, read.overage)
        case _:
            return _other(read)


def _other(read: frame.PriceFrame) -> Model:
    match read:
        case frame.PercentageFrame():
            return Percentage(read.percent, read.fixed, read.free_events, read.free_value, read.least, read.most)
        case frame.CostPlusFrame():
            return CostPlus(read.multiplier, read.premium)
        case frame.DynamicFrame():
            return Dynamic()
        case frame.CapacityFrame():
            return Capacity(tuple(Reservation(tier.price, tier.most) for tier in read.tiers), read.beyond == "last")
        case frame.SeatsFrame():
            return Seats(read.unit, read.throughput, read.overage)
        case frame.MenuFrame():
            return Menu(read.prices, read.most, read.keep)
        case frame.WindowsFrame():
            return _windows(read)
    raise AssertionError(f"a frame without a model: {type(read).__name__}")


def _tiers(read: frame.TiersFrame) -> Model:
    tiers = tuple(
        Tier(tier.up_to, (tier.unit or ZERO) + (tier.percent or ZERO) * PERCENT, tier.flat or ZERO)
        for tier in read.tiers
    )
    kind = Graduated if read.model == "graduated" else Volume
    return kind(tiers, read.flat_at_zero, read.beyond == "last", read.of == "value")


def _windows(read: frame.WindowsFrame) -> Windows:
    hours = [_hours(window, f"{window.hours[0]:02d}-{window.hours[1]:02d} h", window.hours) for window in read.windows]
    if read.rest is not None:
        hours.append(_hours(read.rest, "rest", (0, 24)))
    return Windows(tuple(hours))


def _hours(read: frame.WindowFrame, name: str, span: tuple[int, int]) -> Hours:
    commit = read.commit if read.commit_units is None else read.commit_units * read.unit
    return Hours(name, span[0], span[1], read.unit, commit or Fraction(0), read.factor, read.true_up)
