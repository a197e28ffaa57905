"""The frame of what heals: `retry` of rules and guards, `structured`, and `fallback`."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from comptroller.policies.frame import Frame, Name

MOST_HINT = 2_000  # characters: it goes along with each further try


def _hint(text: str) -> str:
    if len(text) > MOST_HINT:
        raise ValueError(f"a hint of {len(text)} characters is paid for with each try. Say it in {MOST_HINT}")
    return text


class Retry(Frame):
    """The model is sent back, with the reason and a hint."""

    times: int = Field(default=1, ge=1, le=3)
    hint: Annotated[str, AfterValidator(_hint)] = ""


class Structured(Frame):
    """Replies that are to be JSON of a certain form."""

    mend: bool = True
    retry: Retry | None = None
    otherwise: Literal["pass", "deny"] = "pass"

    @model_validator(mode="after")
    def _does_something(self) -> "Structured":
        if not self.mend and self.retry is None and self.otherwise == "pass":
            raise ValueError("Nothing happens to a reply here. Write `mend: true`, `retry: {times: 1}` or both")
        return self


class Fallback(Frame):
    """Who or what takes over from an agent that keeps failing."""

    to: Name | None = None
    agent: Name | None = None
    after: int = Field(ge=1, le=100)
    until: int | None = Field(default=None, ge=1, le=1_000)

    @model_validator(mode="after")
    def _names_one(self) -> "Fallback":
        if (self.to is None) == (self.agent is None):
            raise ValueError("Say either `to: MODEL` or `agent: NAME`")
        if self.until is not None and self.agent is not None:
            raise ValueError(
                "An agent that handed over has no more calls to count. Remove `until`, or write `to: MODEL`"
            )
        return self
