r"""The guard `secrets`: keys, tokens, passwords and private keys on their way somewhere.

What it does: finds the key formats of more than 90 vendors, private key blocks, JSON web tokens, passwords in
connection strings and URLs, and values assigned to names such as `password` or `api_key`.
Why it matters: what is sent to a model leaves the house, and what a model writes ends up in logs, tickets and mails.
Example: `GITHUB_TOKEN=ghp_16C7e42F292c6912E7710c838347Ae178B4a` becomes `GITHUB_TOKEN=[secret:github-token]`.
Use instead: hand the tool a name and let the tool read the key from a secret store; no model needs to see it.
How to switch it: `guards: {secrets: {in: redact, out: deny}}` in a policy; leave a direction out to switch it off.
"""

import base64
import binascii
import re

from comptroller.guardrails.pattern import AFTER, BEFORE, CLOSE, NO, Pattern, lifelike
from comptroller.guardrails.vendors import VENDORS

GUARD = "secrets"


def _end_if_lifelike(text: str, start: int, end: int) -> int:
    return end if lifelike(text[start : min(end, start + 256)]) else NO


# PEM --------------------------------------------------------------------------------------------------------------

_PEM_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_PEM_BREAK = r"""(?:\s|\\[nrt]|["'+,\\])"""
# A key follows its header at once (or after the few header lines of old formats); a mention in prose does not.
_PEM_BODY = re.compile(rf"{_PEM_BREAK}{{0,16}}(?:[A-Za-z0-9+/=]{{16}}|Proc-Type:|DEK-Info:|Version:|Comment:)")
_PEM_REST = re.compile(
    rf"(?:[A-Za-z-]{{4,16}}:[^\n]{{0,80}}\n|[A-Za-z0-9+/=]|{_PEM_BREAK}{{1,4}}(?=[A-Za-z0-9+/=]{{16}}|[A-Za-z0-9+/]{{1,15}}=))*"
)


def _pem_end(text: str, start: int, end: int) -> int:
    """Up to the closing line, however far; one that never closes hides all that follows once it is long enough."""
    if not _PEM_BODY.match(text, end):
        return NO
    closed = _PEM_END.search(text, end)
    if closed:
        return closed.end()
    if len(text) - start >= CLOSE:
        return len(text)
    rest = _PEM_REST.match(text, end)
    return rest.end() if rest else end


PEM = Pattern(
    GUARD,
    "private-key",
    regex=r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----",
    trigger="-----BEGIN ",
    back=11,
    check=_pem_end,
    exact=True,
    run=r"(?s:.*)",
    settle=CLOSE,
    closing=_PEM_END.pattern,
    gap=128,
)

# JSON web tokens --------------------------------------------------------------------------------------------------

_URL = "A-Za-z0-9_-"
JWT = Pattern(
    GUARD,
    "jwt",
    regex=rf"{BEFORE}eyJ(?:[.{_URL}]{{{CLOSE - 3},}}|"
    rf"[{_URL}]{{10,}}\.[{_URL}]{{10,}}\.[{_URL}]*(?:\.[{_URL}]+){{0,2}})",
    trigger=f"eyJ[{_URL}]{{10}}",
    back=13,
    exact=True,
    run=f"[.{_URL}]*",
    settle=CLOSE,
)

# Passwords in addresses and assignments ---------------------------------------------------------------------------

_SCHEMES = (
    "postgres|postgresql|mysql|mariadb|mongodb|mongodb[+]srv|redis|rediss|amqp|amqps|mssql|sqlserver|oracle|clickhouse|"
    "snowflake|cockroachdb|neo4j|bolt|nats|kafka|ldap|ldaps|smtp|smtps|ftp|ftps|sftp|ssh|http|https|git|couchdb"
)
_WORD = "A-Za-z0-9._~%!$&*+=#?^-"


def _url_password(text: str, start: int, end: int) -> int:
    password = text[start:end].split("://", 1)[1].rsplit("@", 1)[0].split(":", 1)[1]
    return NO if password.startswith(("$", "%s")) or password.lower() in _NOT_A_PASSWORD else end


_NOT_A_PASSWORD = frozenset({"password", "pass", "passwd", "pwd", "secret", "user", "token", "xxx", "xxxx", "***"})

CONNECTION = Pattern(
    GUARD,
    "connection-string",
    regex=rf"(?<![A-Za-z0-9])(?:{_SCHEMES})(?:[+][a-z0-9]{{1,16}})?://[{_WORD}]{{0,64}}:[/{_WORD}]{{3,128}}@[A-Za-z0-9.-]{{1,128}}(?::[0-9]{{1,5}})?",
    trigger=rf"://[{_WORD}]{{0,64}}:[/{_WORD}]{{3,128}}@[A-Za-z0-9.-]",
    back=28 + 3 + 64 + 1 + 128 + 2,
    check=_url_password,
)

_ASSIGN = r"""(?:["']\]?)?[ \t]{0,4}(?:=>|:=|[:=])[ \t]{0,4}\\?["']?"""
_ASSIGN_TRIGGER = r"""(?:["']\]?)?[ \t]{0,4}(?:=>|:=|[:=])"""


def _assigned(kind: str, names: str, value: str, least: int, check: "object") -> Pattern:
    return Pattern(
        GUARD,
        kind,
        regex=rf"(?<!\[)(?i:{names}){_ASSIGN}(?P<v>{value})",
        trigger=rf"(?:{names}){_ASSIGN_TRIGGER}",
        back=48,
        check=check,  # type: ignore[arg-type]
        caseless=True,
    )


def _password(text: str, start: int, end: int) -> int:
    """A word somebody made up: letters and digits or signs mixed, and not a piece of code."""
    value = text[start:end]
    if value.startswith(("$", "%", "os.", "process.", "self.", "env")) or text[end : end + 1] in ("(", "["):
        return NO
    mixed = any(c.isdigit() for c in value) and any(c.isalpha() for c in value)
    return end if mixed and lifelike(value) else NO


def _key(text: str, start: int, end: int) -> int:
    """A drawn value: digits and letters in plenty."""
    value = text[start : min(end, start + 256)]
    digits = sum(c.isdigit() for c in value)
    return end if digits >= 3 and digits < len(value) and len(set(value)) >= 10 and lifelike(value) else NO


def _assigned_key(text: str, start: int, end: int) -> int:
    """A drawn value, not a call or a look-up in code."""
    return NO if text[end : end + 1] in ("(", "[") else _key(text, start, end)


def _basic(text: str, start: int, end: int) -> int:
    """Base64 of `user:password`."""
    value = text[start:end]
    try:
        plain = base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return NO
    return end if b":" in plain and plain.isascii() and plain.decode("ascii").isprintable() else NO


_B64 = "A-Za-z0-9+/"
ASSIGNED = [
    _assigned(
        "aws-secret-key", "secret_?access_?key|aws_?secret_?key|aws_?secret", rf"[{_B64}]{{40}}(?![{_B64}=])", 40, _key
    ),
    _assigned("azure-storage-key", "accountkey|account_key|sharedaccesskey", rf"[{_B64}]{{43,86}}={{1,2}}", 44, _key),
    _assigned(
        "api-key",
        "api[_-]?key|apikey|access[_-]?key|secret[_-]?key|client[_-]?secret|auth[_-]?token|access[_-]?token|"
        "refresh[_-]?token|bot[_-]?token|app[_-]?key|signing[_-]?key|encryption[_-]?key|webhook[_-]?secret|"
        "(?:cohere|mistral|datadog|cloudflare|fastly|snyk|okta|rollbar|algolia|deepl)[a-z_-]{0,16}(?:key|token)|"
        "secret|token",
        r"[A-Za-z0-9_.+/=~-]{16,200}",
        16,
        _assigned_key,
    ),
    _assigned(
        "password", "password|passwd|passphrase|pwd|passwort", r"[A-Za-z0-9_.+/=~!@#$%^&*?-]{6,128}", 6, _password
    ),
]
BEARER = Pattern(
    GUARD,
    "bearer-token",
    regex=rf"{BEFORE}[Bb]earer[ \t](?P<v>[A-Za-z0-9_.~+/=-]{{20,}})",
    trigger=r"bearer[ \t]",
    back=7,
    check=_key,
    exact=True,
    caseless=True,
    run=r"[A-Za-z0-9_.~+/=-]*",
    gap=3,
)
BASIC = Pattern(
    GUARD,
    "basic-auth",
    regex=rf"{BEFORE}[Bb]asic[ \t]{{1,2}}(?P<v>[{_B64}]{{8,400}}=?=?){AFTER}",
    trigger=r"basic[ \t]",
    back=6,
    check=_basic,
    exact=True,
    caseless=True,
    gap=3,
)

# The specific before the general: of two findings in the same place the earlier pattern names it.
PATTERNS: tuple[Pattern, ...] = (PEM, *VENDORS, JWT, CONNECTION, BEARER, BASIC, *ASSIGNED)
