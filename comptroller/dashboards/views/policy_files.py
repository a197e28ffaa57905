"""The files of a version as they were, numbered, and handed out as they are."""

import io
import zipfile
from typing import Any

from comptroller.dashboards import frame
from comptroller.dashboards.look.markup import Markup, tag
from comptroller.dashboards.source import Document

YAML = "application/yaml"


def draw(told: dict[str, Any], version: str, tab: str) -> None:
    """The tab."""
    files = frame.source().get(f"/api/policies/versions/{version}")["files"]
    if len(files) > 1:
        frame.download(
            "Download all", lambda: _all(files, version), f"policies-{version[:12]}.zip", "application/zip", key="all"
        )
    for number, file in enumerate(files):
        name = _name(file["path"])
        frame.section(name, f"{file['path']} · digest {file['digest'][:16]}")
        frame.download(f"Download {name}", _document(file), name, YAML, key=f"file_{number}")
        text = file["text"].splitlines()
        lines(text, 1, len(text))


def lines(text: list[str], first: int, last: int, here: int = 0) -> None:
    """Some lines of a text with their numbers; the one at `here` stands out."""
    frame.put(
        tag(
            "pre",
            [
                _line(str(number), text[number - 1], "ct-here" if number == here else "")
                for number in range(first, min(last, len(text)) + 1)
            ],
            cls="ct-code",
            tabindex="0",
        )
    )


def _line(number: str, text: str, tone: str) -> Markup:
    return tag("span", tag("span", number), tag("span", text or " "), cls=f"ct-row {tone}".strip())


def _document(file: dict[str, Any]) -> Any:
    return lambda: Document(file["text"].encode(), YAML, _name(file["path"]))


def _all(files: list[dict[str, Any]], version: str) -> Document:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, file in enumerate(files, 1):
            archive.writestr(f"{number:02}-{_name(file['path'])}", file["text"])
    return Document(made.getvalue(), "application/zip", version)


def _name(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2] or "policy.yaml"
