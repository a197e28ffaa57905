"""What goes wrong at `/api`, in the one shape every error there has."""

from dataclasses import dataclass, field
from http import HTTPStatus

import msgspec


@dataclass(slots=True)
class Problem(Exception):
    """A request that cannot be answered: why, where in it, and what to do."""

    status: int
    code: str
    message: str
    remedy: str
    place: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """The error as its client reads it."""
        return told(self.code, self.message, self.remedy, self.place)


def told(code: str, message: str, remedy: str, place: str = "") -> bytes:
    """An error in the shape all have."""
    error = {"code": code, "message": message, "remedy": remedy}
    return msgspec.json.encode({"error": error | ({"place": place} if place else {})})


def split(said: str) -> tuple[str, str]:
    """A sentence that says reason and remedy, in two."""
    reason, found, remedy = said.strip().partition(". ")
    return (f"{reason}.", remedy) if found else (said.strip(), "")


def of(status: int, code: str, said: str) -> Problem:
    """A problem told in one text, its reason first."""
    return Problem(status, code, *split(said))


def name_of(status: int) -> str:
    """The code of a plain HTTP status: `not_found`."""
    return HTTPStatus(status).phrase.lower().replace(" ", "_")
