"""An invoice as PDF/A, by typst, with the fonts that ship with us."""

import json
from importlib import import_module
from importlib.resources import as_file, files
from typing import Any, Literal

from comptroller.core.errors import SettingsError

# The output format: for people, or (as pictures of its pages) for whoever checks how it looks.
Format = Literal["pdf", "png"]


def draw(sheet: dict[str, Any], format: Format = "pdf") -> list[bytes]:
    """The document's bytes; for `png` one picture a page. Words of agents and customers go in as data only."""
    typst = _typst()
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


def _typst() -> Any:
    try:
        return import_module("typst")
    except ImportError:
        raise SettingsError("Drawing a PDF needs typst. Install comptroller[console].") from None
