"""Rating: what usage costs under a price, exactly."""

from comptroller.metering.rating.charge import Before, rate
from comptroller.metering.rating.line import Line, Rated, RatingError
from comptroller.metering.rating.price import Price
from comptroller.metering.rating.reader import PriceError, read_price, read_usage
from comptroller.metering.rating.usage import Usage

__all__ = ["Before", "Line", "Price", "PriceError", "Rated", "RatingError", "Usage", "rate", "read_price", "read_usage"]
