"""Papers that go with what agents ask: files, reports and letters, made up from the trade's own words."""

import random

SUBJECTS = (
    "The carrier",
    "Our supplier",
    "The insured",
    "The adjuster",
    "Accounts payable",
    "The regional office",
    "The warehouse",
    "The auditor",
    "The account manager",
    "The reviewer",
)
VERBS = (
    "confirmed in writing",
    "disputes",
    "has not yet answered",
    "recorded on the same day",
    "forwarded without comment",
    "compared with last year's figures",
    "signed off on",
    "asked for a copy of",
    "filed twice",
)
OBJECTS = (
    "the delivery note of the second consignment",
    "the statement of the witness at the loading bay",
    "the revised schedule of payments",
    "the photographs of the damaged packaging",
    "the extract from the commercial register",
    "the terms agreed in the spring",
    "the inspection report with its three annexes",
    "the certificate of insurance for the fleet",
    "the quarterly reconciliation",
)
ENDS = (
    "and considers the matter closed.",
    "but the amounts differ by less than one percent.",
    "so a second opinion was sought.",
    "pending the reply of the bank.",
    "which nobody has contested since.",
    "although the deadline had passed.",
)
SENTENCES = 9


def paper(paragraphs: int, about: str) -> str:
    """So many paragraphs about something; about the same thing, the same paper."""
    drawn = random.Random(about)
    return "\n\n".join(" ".join(_sentence(drawn) for _ in range(SENTENCES)) for _ in range(paragraphs))


def _sentence(drawn: random.Random) -> str:
    return " ".join(drawn.choice(words) for words in (SUBJECTS, VERBS, OBJECTS, ENDS))
