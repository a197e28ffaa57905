"""The world of `comptroller demo`: a house whose departments of agents work, are billed, and fail now and then."""

from comptroller.cli.demo_world.history import Filled, fill

__all__ = ["Filled", "fill"]
