"""Identity numbers whose form is strong enough to be told without a word before them."""

from comptroller.guardrails.numbers import stdnum_end
from comptroller.guardrails.pattern import Check, Pattern, accept

_HEAD = "(?<![A-Za-z0-9_-])"
_TAIL = "(?![A-Za-z0-9_-])"
_IT = "[0-9LMNPQRSTUV]"  # digits of an Italian tax code, and the letters that stand in for them


def _paper(kind: str, regex: str, trigger: str, back: int, check: Check = accept) -> Pattern:
    return Pattern("privacy", kind, f"{_HEAD}{regex}{_TAIL}", trigger, back, check, reach=40)


PAPERS = (
    _paper(
        "ssn",
        "(?!000|666|9)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}",
        "[0-9]{3}-[0-9]{2}-[0-9]{4}",
        11,
    ),
    _paper("itin", "9[0-9]{2}-[5-9][0-9]-[0-9]{4}", "9[0-9]{2}-[5-9][0-9]-[0-9]{4}", 11, stdnum_end("us.itin")),
    _paper(
        "nino",
        "(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z](?: ?[0-9]{2}){3} ?[A-D]",
        "[A-Z]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]",
        13,
    ),
    _paper(
        "cpf",
        r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}",
        r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}",
        14,
        stdnum_end("br.cpf"),
    ),
    _paper(
        "dni",
        "(?:[0-9]{8}|[XYZ][0-9]{7})-?[A-HJ-NP-TV-Z]",
        "[0-9]{7}-?[A-HJ-NP-TV-Z]",
        10,
        stdnum_end("es.dni", "es.nie"),
    ),
    _paper(
        "nir",
        "[12] ?[0-9]{2} ?[01][0-9] ?[0-9][0-9AB](?: ?[0-9]{3}){2} ?[0-9]{2}",
        "[12] ?[0-9]{2} ?[01][0-9] ?[0-9][0-9AB] ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}",
        21,
        stdnum_end("fr.nir"),
    ),
    _paper(
        "codice-fiscale",
        f"[A-Z]{{6}}{_IT}{{2}}[ABCDEHLMPRST]{_IT}{{2}}[A-Z]{_IT}{{3}}[A-Z]",
        f"[A-Z]{{6}}{_IT}{{2}}[ABCDEHLMPRST]",
        9,
        stdnum_end("it.codicefiscale"),
    ),
    _paper(
        "pan",
        "[A-Z]{3}[ABCFGHJLPT][A-Z][0-9]{4}[A-Z]",
        "[A-Z]{3}[ABCFGHJLPT][A-Z][0-9]{4}[A-Z]",
        10,
        stdnum_end("in_.pan"),
    ),
    _paper(
        "hetu",
        "[0-3][0-9][01][0-9]{3}[+A-FU-Y-][0-9]{3}[0-9A-FHJ-NPR-Y]",
        "[0-3][0-9][01][0-9]{3}[+A-FU-Y-][0-9]{3}[0-9A-Y]",
        11,
        stdnum_end("fi.hetu"),
    ),
)
