"""The frame of `tokens`: what a model gets in place of data about people, and where that is put back."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from comptroller.policies.frame import Frame, Glob, Name


def _kinds(kinds: list[str]) -> list[str]:
    if not kinds:
        raise ValueError("Nothing is replaced here. Name kinds such as `email`, or leave it out: all `privacy` finds")
    return kinds


class Tokens(Frame):
    """What is replaced, by tokens that are the same for the same value, and where it is put back."""

    of: Annotated[list[Name], AfterValidator(_kinds)] | None = None  # kinds of findings; all of `privacy` unless said
    back: dict[Glob, list[Name]] = Field(default_factory=dict)  # tool -> arguments, or `*` for all of them
    per: Literal["run", "customer", "tenant"] = "customer"
