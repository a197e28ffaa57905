"""Letters as their receivers read them: JSON for systems, a message for Slack, a mail for people.

What agents and customers wrote is data in all of them: it starts no line, no link and no mention of its own.
"""

from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

import msgspec

FORMATS = ("json", "slack", "email")
_LONGEST = 300
_TITLES = {
    "approval.asked": "Approval wanted",
    "approval.reminded": "Still waiting for approval",
    "approval.escalated": "Approval escalated",
    "approval.delegated": "Approval handed over",
    "approval.approved": "Approved",
    "approval.denied": "Denied",
    "approval.expired": "Approval expired",
    "approval.void": "Approval void",
    "approval.used": "Approved call made",
}
_LINES = (
    ("because", "Why"), ("rule", "Rule"), ("agent", "Agent"), ("workflow", "Workflow"), ("customer", "Customer"),
    ("of", "For"), ("by", "By"), ("until", "Until"), ("ended", "Note"), ("state", "State"),
)  # fmt: skip


def body_of(format: str, id: str, event: str, stamp: str, data: dict[str, Any], sender: str, to: str) -> bytes:
    """A letter in one of the formats."""
    if format == "slack":
        return _slack(event, data)
    if format == "email":
        return _mail(id, event, data, sender, to)
    return msgspec.json.encode({"type": event, "timestamp": stamp, "data": data}, order="sorted")


def headers_of(format: str) -> dict[str, str]:
    """What a letter's format asks for besides."""
    return {"content-type": "message/rfc822"} if format == "email" else {}


def title_of(event: str, data: dict[str, Any]) -> str:
    """What happened, in one line."""
    about = data.get("name") or data.get("outcome") or data.get("invoice") or ""
    return _line(f"{_TITLES.get(event, event)}: {about}" if about else _TITLES.get(event, event))


def _slack(event: str, data: dict[str, Any]) -> bytes:
    title = title_of(event, data)
    text = "\n".join([title, *_lines(data)])
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": title[:150], "emoji": False}},
        {"type": "section", "text": {"type": "plain_text", "text": text, "emoji": False}},
    ]
    if hint := _hint(data):
        blocks.append({"type": "context", "elements": [{"type": "plain_text", "text": hint, "emoji": False}]})
    # Only this text is read for marks: what would be one is escaped as Slack asks for it.
    plain = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return msgspec.json.encode({"text": plain, "blocks": blocks})


def _mail(id: str, event: str, data: dict[str, Any], sender: str, to: str) -> bytes:
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = title_of(event, data)
    mail["From"], mail["To"] = sender, to
    mail["Message-ID"] = f"<{id}@comptroller.invalid>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content("\n".join([title_of(event, data), "", *_lines(data), "", _hint(data)]).rstrip() + "\n")
    return bytes(mail)


def _lines(data: dict[str, Any]) -> list[str]:
    return [f"{name}: {_line(data[key])}" for key, name in _LINES if data.get(key)]


def _hint(data: dict[str, Any]) -> str:
    id = data.get("approval")
    if not id or data.get("state") != "pending":
        return ""
    return f"Look and answer: comptroller approvals show {id}, or the console's Approvals page."


def _line(value: object) -> str:
    """Text of others on one line."""
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    plain = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(plain.split())[:_LONGEST]
