"""An invoice as PDF/A, by typst, with the fonts that ship with us."""

import json
import re
from importlib import import_module
from importlib.resources import as_file, files
from typing import Any, Literal

from comptroller.core.errors import SettingsError

# The output format: for people, or (as pictures of its pages) for whoever checks how it looks.
Format = Literal["pdf", "png"]


TRIES = 5
_UNSHOWN = re.compile(r'the text `"(.*?)"` could not be displayed')
_SPELT = re.compile(r"\\u\{([0-9a-f]+)\}")


def draw(sheet: dict[str, Any], format: Format = "pdf") -> list[bytes]:
    """The document's bytes; for `png` one picture a page. Words of agents and customers go in as data only.

    A character that no font here has would make it no PDF/A: it is spelt out, as `[U+1F469]`.
    """
    typst = _typst()
    for left in reversed(range(TRIES)):
        try:
            return _drawn(typst, sheet, format)
        except typst.TypstError as error:
            unshown = _unshown(str(error.diagnostic))
            if not unshown:
                raise
            sheet = _spelt(sheet, unshown if left > 1 else None)
    raise AssertionError("what is all ASCII can be drawn")


def _drawn(typst: Any, sheet: dict[str, Any], format: Format) -> list[bytes]:
    with as_file(files("comptroller.office.paper")) as folder:
        fonts = typst.Fonts(include_system_fonts=True, include_embedded_fonts=False, font_paths=[str(folder / "fonts")])
        compiler = typst.Compiler(root=str(folder), font_paths=fonts)
        made = compiler.compile(
            input=str(folder / "invoice.typ"),
            format=format,
            ppi=110.0 if format == "png" else None,
            sys_inputs={"sheet": json.dumps(sheet, ensure_ascii=False)},
            pdf_standards=["a-2b"] if format == "pdf" else [],
        )
    return list(made) if isinstance(made, list) else [made]


def _unshown(diagnostic: str) -> frozenset[str]:
    """The characters that typst has no font for."""
    texts = (_SPELT.sub(lambda code: chr(int(code[1], 16)), text) for text in _UNSHOWN.findall(diagnostic))
    return frozenset("".join(texts))


def _spelt(node: Any, characters: frozenset[str] | None) -> Any:
    """The same with these characters spelt out; with all that are not ASCII where none are named."""
    if isinstance(node, str):
        return "".join(f"[U+{ord(c):04X}]" if _is_one(c, characters) else c for c in node)
    if isinstance(node, dict):
        return {name: _spelt(value, characters) for name, value in node.items()}
    return [_spelt(value, characters) for value in node] if isinstance(node, list) else node


def _is_one(character: str, characters: frozenset[str] | None) -> bool:
    if characters is None:
        return not character.isascii() or not character.isprintable()
    return character in characters


def _typst() -> Any:
    try:
        return import_module("typst")
    except ImportError:
        raise SettingsError("Drawing a PDF needs typst. Install comptroller[console].") from None
