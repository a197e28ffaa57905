"""The frame of `loops`: how far a run may repeat itself."""

from typing import Literal

from pydantic import Field, model_validator

from comptroller.policies.frame import Amount, Ask, Delay, Frame, Glob, Share


class Loop(Frame):
    """What happens where a run goes too far in one way."""

    then: Literal["note", "slow", "ask", "deny", "stop"]
    delay: Delay = 1.0  # of the first call that is slowed down; twice as long each time, a minute at most
    ask: Ask | None = None
    mode: Literal["enforce", "shadow"] = "enforce"


class Again(Loop):
    """So often on end, or among the last calls."""

    times: int = Field(ge=2, le=100)


class Spread(Loop):
    """So many levels, or agents beneath one."""

    most: int = Field(ge=1, le=100)


class Waste(Loop):
    """So much money spent on calls that came to nothing."""

    most: Amount | None = None
    share: Share | None = None
    after: Amount | None = None

    @model_validator(mode="after")
    def _says_how_much(self) -> "Waste":
        if (self.most is None) == (self.share is None):
            raise ValueError("Say either `most: 1 USD`, or `share: 50%` with `after: 0.20 USD`")
        if (self.share is None) != (self.after is None):
            raise ValueError(
                "A share says little of the first cents. Write `share: 50%` together with `after: 0.20 USD`"
            )
        return self


class Loops(Frame):
    """How far a run may repeat itself."""

    ignore: list[Glob] = Field(default_factory=list)  # tools that may be called over and over
    repeat: Again | None = None
    rounds: Again | None = None
    ping_pong: Again | None = None
    retries: Again | None = None
    growth: Again | None = None
    depth: Spread | None = None
    width: Spread | None = None
    waste: Waste | None = None
