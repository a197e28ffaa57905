"""What others are told of approvals: each change once, in JSON, for Slack and as a mail, never with the arguments."""

import json
from email import message_from_bytes, policy

import pytest

from comptroller.core.clock import FrozenClock
from comptroller.core.errors import SettingsError
from comptroller.core.facts import APPROVAL_ANSWERED, APPROVAL_REMINDED, APPROVAL_USED, ASK, Fact
from comptroller.core.settings import load_settings
from comptroller.office.approval_news import Newsroom
from comptroller.office.post import Answer
from comptroller.office.webhooks import Hook
from comptroller.office.wording import body_of, headers_of
from tests.office.test_webhooks import SECRET, Yard

NOW = FrozenClock().now_ns()
HOUR = 3_600_000_000_000


def asked(id: str = "a1", **more: object) -> Fact:
    data: dict[str, object] = {
        "rule": "big",
        "because": "Too big.",
        "digest": "d",
        "version": "v",
        "name": "issue_refund",
    }
    return Fact(ASK, id, NOW, "r", "c", {**data, "of": ["finance"], "within": HOUR, "until": NOW + HOUR, **more})


def said(kind: str, id: str, **data: object) -> Fact:
    return Fact(kind, id, NOW + 1, "r", "c", {"approval": "a1", **data})


def test_each_change_is_told_once_and_what_changes_nothing_is_not() -> None:
    room = Newsroom()
    facts = [
        asked(quorum=2),
        asked(quorum=2),
        said(APPROVAL_REMINDED, "n1", nth=1),
        said(APPROVAL_ANSWERED, "v1", answer="approve", by="jane"),
        said(APPROVAL_ANSWERED, "v2", answer="approve", by="jane"),
        said(APPROVAL_ANSWERED, "v3", answer="approve", by="bob", refused="bob asked for this call"),
        said(APPROVAL_ANSWERED, "v4", answer="approve", by="kim"),
        Fact(APPROVAL_USED, "u1", NOW + 2, "r", "c", {"approvals": ["a1"]}),
    ]
    told = [(id, event) for fact in facts for id, event, _ in room.news(fact)]
    assert told == [
        ("a1", "approval.asked"), ("n1", "approval.reminded"), ("v4", "approval.approved"), ("u1", "approval.used")
    ]  # fmt: skip


def test_a_hook_is_told_with_a_signature_and_again_when_it_was_deaf() -> None:
    yard = Yard(Hook("desk", "https://desk.test/in", SECRET, ("approval.*",)))
    yard.ledger.sync(asked())
    yard.answers["*"] = Answer(500)
    yard.courier.deliver()
    yard.answers["*"] = Answer(200)
    yard.clock.tick(6)
    yard.courier.deliver()
    assert yard.ids == ["a1", "a1"]
    told = json.loads(yard.got[1].body)
    assert (told["type"], told["data"]["of"], told["data"]["until"]) == (
        "approval.asked",
        ["finance"],
        "2026-01-01T01:00:00Z",
    )


def test_a_message_for_slack_mentions_nobody_whatever_an_agent_wrote() -> None:
    [(id, event, data)] = Newsroom().news(asked(because="<!channel> pay & <https://evil.test|click>", name="x\ny"))
    told = json.loads(body_of("slack", id, event, "", data, "", ""))
    assert "<" not in told["text"]
    assert told["text"].startswith("Approval wanted: x y\nWhy: &lt;!channel&gt; pay &amp; ")
    assert {block["text"]["type"] for block in told["blocks"] if "text" in block} == {"plain_text"}


def test_a_mail_is_a_whole_message_with_headers_nobody_can_add_to() -> None:
    [(id, event, data)] = Newsroom().news(asked(name="x\r\nBcc: all@evil.test"))
    mail = message_from_bytes(
        body_of("email", id, event, "", data, "desk@us.test", "jane@us.test"), policy=policy.default
    )
    assert (mail["To"], mail["Bcc"], mail["Auto-Submitted"]) == ("jane@us.test", None, "auto-generated")
    assert mail["Subject"] == "Approval wanted: x Bcc: all@evil.test"
    assert "comptroller approvals show a1" in mail.get_content()
    assert headers_of("email") == {"content-type": "message/rfc822"}


@pytest.mark.parametrize(
    "more", [{"format": "email"}, {"format": "email", "sender": "a@b.c", "to": ["x\n@b.c"]}, {"to": ["a@b.c"]}]
)
def test_a_hook_that_mails_says_from_whom_and_to_whom(more: dict[str, object]) -> None:
    hook = {"name": "h", "url": "https://h.test/", "secret_env": "H", **more}
    with pytest.raises(SettingsError, match="sender"):
        load_settings({"webhooks": [hook]})
