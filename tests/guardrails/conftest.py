"""Texts to look at: one living example of every pattern, and the words and signs that stand around them."""

import re
from random import Random
from re import _constants as op  # type: ignore[attr-defined]  # private, but it is the grammar itself
from re import _parser as parser  # type: ignore[attr-defined]

import pytest

from comptroller.guardrails.pattern import NO, Pattern
from comptroller.guardrails.scanner import PATTERNS

PEM = (
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7x7K8K7mQm1n2b3v4c5x6z7l8k9j0hgfdsapoiuytrewq\n"
    "Zm9vYmFyYmF6cXV4Y29ycGdyYXVsdGdhcnBseXdhbGRvZnJlZHBsdWdoeHl6enk\n-----END RSA PRIVATE KEY-----"
)
SAMPLES = [
    ("private-key", PEM),
    ("jwt", "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0T"),
    ("connection-string", "postgres://app:s3cr3t-pw@db.internal:5432"),
    ("connection-string", "https://bot:t0ps3cret@git.acme.io"),
    ("password", "password: Tr0ub4dor&3"),
    ("password", "DB_PASSWORD = 'hunter2-Hunter3'"),
    ("api-key", 'api_key="9f8e7d6c5b4a39281706f5e4"'),
    ("api-key", 'os.environ["SERVICE_TOKEN"] = "9f8e7d6c5b4a39281706f5e4"'),
    ("aws-secret-key", "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYzQ4T9uVwXy"),
    ("bearer-token", "Authorization: Bearer 4f3c2b1a0987abcdefABCDEF6543"),
    ("basic-auth", "Authorization: Basic YWxhZGRpbjpvcGVuc2VzYW1l"),
    ("card", "4012 8888 8888 1881"),
    ("card", "5555-5555-5555-4444"),
    ("card", "378282246310005"),
    ("card", "3782 822463 10005"),
    ("card", "6011000990139424"),
    ("iban", "DE89 3704 0044 0532 0130 00"),
    ("iban", "GB29NWBK60161331926819"),
    ("iban", "MT84 MALT 0110 0001 2345 MTLC AST0 01S"),
    ("email", "jane.doe+x@mail.acme.co.uk"),
    ("phone", "+49 30 901820"),
    ("phone", "+1 (212) 555-2368"),
    ("phone", "(212) 555-2368"),
    ("phone", "0044 20 7946 0958"),
    ("phone", "Tel. 030 901820"),
    ("ip", "8.8.4.4"),
    ("ip", "2001:db8::ff00:42:8329"),
    ("ssn", "219-09-9998"),
    ("ssn", "SSN 219 09 9998"),
    ("passport", "passport no. C01X00T47"),
    ("passport", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"),
    ("nino", "AB 12 34 56 C"),
    ("nhs-number", "NHS number: 943 476 5870"),
    ("sin", "SIN 130 692 544"),
    ("bsn", "BSN 111222333"),
    ("steuer-id", "Steuer-ID 36 574 261 809"),
    ("pesel", "PESEL 44051401359"),
    ("personnummer", "personnummer 880320-0016"),
    ("tfn", "TFN 123 456 782"),
    ("aadhaar", "Aadhaar 2341 2341 2346"),
    ("cpf", "390.533.447-05"),
    ("dni", "54362315-K"),
    ("dni", "X2482300W"),
    ("nir", "2 95 10 99 126 111 93"),
    ("codice-fiscale", "RCCMNL83S18D969H"),
    ("pan", "ACUPA7085R"),
    ("hetu", "131052-308T"),
]
AROUND = [
    *(
        " ",
        " ",
        " ",
        "\n",
        ", ",
        ". ",
        "; ",
        ": ",
        "=",
        "-",
        "_",
        "/",
        "(",
        ")",
        '"',
        "'",
        "[",
        "]",
        "@",
        "+",
        "\\n",
        "\t",
    ),
    *("a", "B", "7", "12", "4012 ", "8888 ", "DE89", "+49", "é", "日本", "😀", "\u00a0", "\u202f", "\u2011", "\ud800"),
    *(
        "eyJ",
        "sk-",
        "ghp_",
        "-----BEGIN ",
        "-----",
        "BEGIN",
        "password",
        "password: ",
        "token=",
        "passport ",
        "Bearer ",
    ),
    *("basic ", "tel ", "the board", "In 2024 we ", "version 1.2.3.4", "def f(x: int) -> str:\n", "[email]"),
    *("[secret:jwt]", "x" * 40),
]


def drawn(regex: str, rnd: Random) -> str:
    """A random text that the expression matches (its lookarounds aside)."""
    return "".join(_draw(item, rnd) for item in parser.parse(regex))


def _draw(item: tuple[object, object], rnd: Random) -> str:
    code, value = item
    if code is op.LITERAL:
        return chr(value)
    if code is op.IN:
        return rnd.choice(_members(value))
    if code is op.ANY:
        return rnd.choice("abc XYZ 123")
    if code in (op.MAX_REPEAT, op.MIN_REPEAT):
        least, most, inner = value
        count = rnd.randint(least, min(most, least + 4))
        return "".join(_draw(part, rnd) for _ in range(count) for part in inner)
    if code is op.SUBPATTERN:
        return "".join(_draw(part, rnd) for part in value[3])
    if code is op.BRANCH:
        # The shortest alternative: another one of JWT is 16 KB long.
        return "".join(_draw(part, rnd) for part in min(value[1], key=lambda branch: branch.getwidth()[0]))
    if code is op.GROUPREF:
        return ""
    assert code in (op.ASSERT, op.ASSERT_NOT, op.AT), code
    return ""


def _members(sets: list[tuple[object, object]]) -> str:
    found = []
    for code, value in sets:
        if code is op.LITERAL:
            found.append(chr(value))
        elif code is op.RANGE:
            found += [chr(c) for c in range(value[0], value[1] + 1)]
        else:
            assert code is op.CATEGORY, code
            found.append(" ")
    return "".join(found)


def instances(pattern: Pattern, count: int, rnd: Random) -> list[str]:
    """Up to `count` texts the pattern confirms when they stand alone."""
    found: list[str] = []
    for _ in range(40 * count):
        text = drawn(pattern.regex, rnd)
        match = pattern.compiled.search(text)
        span = (match.span("v") if "v" in match.re.groupindex else match.span()) if match else (0, 0)
        if match and pattern.check(text, *span) != NO:
            found.append(text)
        if len(found) == count:
            break
    return found


@pytest.fixture(scope="session")
def samples() -> list[tuple[str, str]]:
    """(kind, text): hand-picked examples whose checksums are right."""
    return SAMPLES


@pytest.fixture(scope="session")
def grown() -> dict[int, list[str]]:
    """Pattern number -> texts it confirms, drawn at random from its expression."""
    rnd = Random(11)
    return {i: instances(pattern, 3, rnd) for i, pattern in enumerate(PATTERNS)}


@pytest.fixture(scope="session")
def pieces(grown: dict[int, list[str]]) -> list[str]:
    """Whatever a text may be put together from."""
    planted = [text for texts in grown.values() for text in texts[:1]] + [text for _, text in SAMPLES]
    return [piece for pair in zip(planted, AROUND * len(planted), strict=False) for piece in pair]


@pytest.fixture(scope="session")
def widths() -> dict[int, tuple[int, int]]:
    """Pattern number -> shortest and longest match of its expression."""
    return {i: parser.parse(pattern.regex).getwidth() for i, pattern in enumerate(PATTERNS)}


@pytest.fixture(scope="session")
def trigger_widths() -> dict[int, tuple[int, int]]:
    """Pattern number -> shortest and longest match of its trigger."""
    return {i: parser.parse(re.sub(r"\$\)$", ")", pattern.trigger)).getwidth() for i, pattern in enumerate(PATTERNS)}
