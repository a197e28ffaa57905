"""Keys are found, stand-ins and code are not."""

import pytest

from comptroller.core.verdict import Finding
from comptroller.guardrails.chain import Chain

CHAIN = Chain()


def found(text: str) -> list[str]:
    return [f.kind for f in CHAIN.inspect(text, {"secrets": "note"}).findings]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("aws-access-key", "AKIA1234567890ABCDEF"),
        ("github-token", "ghp_16C7e42F292c6912E7710c838347Ae178B4a"),
        ("slack-token", "xoxb-123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx"),
        ("openai-key", "sk-proj-A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6"),
        ("anthropic-key", "sk-ant-api03-A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6-A1b2C3AA"),
        ("stripe-key", "sk_live_4eC39HqLyjWDarjtT1zdp7dc"),
        ("google-api-key", "AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY"),
        ("telegram-token", "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsawz"),
        ("sendgrid-key", "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"),
    ],
)
def test_a_well_known_key_is_found_between_quotes_brackets_and_escapes(kind: str, text: str) -> None:
    for around in ("{}", '"{}"', "({})", "KEY={}", "a\\n{}\\n", "https://x.io/?k={}&b=1", "{}.", "{},"):
        assert kind in found(around.format(text))


@pytest.mark.parametrize(
    "text",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "sk-proj-your-key-here-xxxxxxxxxxxxxxxx",
        "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "password: ********",
        "password = get_password(user)",
        "password = os.environ['PASSWORD1']",
        "token: str | None = None",
        "api_key = settings.api_key",
        "token = base64.b64decode(token)",
        "the token count was 12345, the secret of good soup is patience",
        "postgres://user:password@localhost/db",
        "postgres://$USER:$PASS@localhost/db",
        "risk-management-and-task-force-and-disk-usage-report",
        "a basic understanding of bearer bonds",
        "commit 16c7e42f292c6912e7710c838347ae178b4a9d1e",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "550e8400-e29b-41d4-a716-446655440000",
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ",
    ],
)
def test_stand_ins_code_and_prose_are_left_alone(text: str) -> None:
    assert found(text) == []


def test_only_the_value_of_an_assignment_is_the_finding() -> None:
    text = "DB_PASSWORD='hunter2-Hunter3';"
    assert CHAIN.inspect(text, {"secrets": "redact"}).text == "DB_PASSWORD='[secret:password]';"


def test_a_private_key_with_escaped_line_ends_is_one_finding() -> None:
    body = "MIIEpAIBAAKCAQEA7x7K8K7mQm1n2b3v4c5x6z7l8k9j0hgfdsapoiuytrewq"
    text = f'{{"private_key": "-----BEGIN PRIVATE KEY-----\\n{body}\\n-----END PRIVATE KEY-----\\n"}}'
    assert found(text) == ["private-key"]


def test_a_private_key_cut_off_is_redacted_as_far_as_it_goes() -> None:
    body = "MHcCAQEEIBYd1aZ9fQx3m7Lr0sW5tU2vX8yA4bC6dE1fG3hJ5kL7oAoGCCqGSM49"
    text = f"-----BEGIN EC PRIVATE KEY-----\n{body}\n\nThat is all."
    assert CHAIN.inspect(text, {"secrets": "redact"}).text == "[secret:private-key]\n\nThat is all."


def test_a_public_key_or_certificate_is_no_secret() -> None:
    body = "MIIEpAIBAAKCAQEA7x7K8K7mQm1n2b3v4c5x6z7l8k9j0hgfdsapoiuytrewq"
    assert found(f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----") == []


def test_basic_credentials_are_told_by_what_they_decode_to() -> None:
    assert found("Authorization: Basic YWxhZGRpbjpvcGVuc2VzYW1l") == ["basic-auth"]
    assert found("Basic YWxhZGRpbm9wZW5zZXNhbWU1") == []


def test_a_finding_never_holds_the_text() -> None:
    (finding,) = CHAIN.inspect("ghp_16C7e42F292c6912E7710c838347Ae178B4a", {"secrets": "note"}).findings
    assert finding == Finding("secrets", "github-token", 0, 40)
