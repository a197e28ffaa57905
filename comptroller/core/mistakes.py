"""Mistakes in files that people write: each with its place, its cause and what to do about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from comptroller.core.errors import SettingsError


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """One thing wrong in one place. `text` is a cause and a remedy, as sentences."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        told = f"{self.file}:{self.line}: {self.text}"
        return "".join(char if char.isprintable() else "\ufffd" for char in told)  # it may end up on a terminal


class FileErrors(SettingsError):
    """Files cannot be used; `mistakes` lists everything that is wrong with them."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = [str(mistake) for mistake in sorted(set(mistakes))]
        super().__init__("\n".join(self.mistakes))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`Did you mean x?` where one of `known` is near, else what there is to choose from."""
    names = sorted(set(known))
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f"Did you mean `{near[0]}`?"
    shown = ", ".join(f"`{item}`" for item in names[:12])
    return f"Use one of {shown}{', ...' if len(names) > 12 else ''}." if names else "Remove it."
