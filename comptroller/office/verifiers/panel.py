"""The panel: all verifiers of all outcome types, compiled once; what is wrong with them is told with its line."""

from collections.abc import Callable, Mapping

from comptroller.core.mistakes import FileErrors, Mistake, did_you_mean
from comptroller.metering.outcome_frame import Check
from comptroller.metering.outcome_types import EVIDENCE, OutcomeType
from comptroller.office.post import safe_url
from comptroller.office.verifiers import rule
from comptroller.office.verifiers.judge import Judge, installed_judges
from comptroller.office.verifiers.rule import BadCondition, Rule
from comptroller.office.verifiers.shown import BadSchema, Schema, shows
from comptroller.office.verifiers.verdict import Hearing, Verdict
from comptroller.policies.globs import any_of

Wrong = Callable[[str, str], None]
RUN_FIELDS = ("run", "customer", "user")


class Panel:
    """Hears claims. Callbacks are not heard here: they take their time."""

    def __init__(self, types: Mapping[str, OutcomeType], judges: Mapping[str, Judge] | None = None) -> None:
        self.judges = installed_judges() if judges is None else judges
        self._schemas: dict[tuple[str, str], Schema] = {}
        self._rules: dict[tuple[str, str], Rule] = {}
        self.claiming: list[tuple[OutcomeType, str, str, Rule]] = []  # type, workflow, subject, condition
        self._by_work = any(type.terms.split == "cost" for type in types.values())
        mistakes: list[Mistake] = []
        for type in types.values():
            self._compile(type, mistakes)
        if mistakes:
            raise FileErrors(mistakes)

    @property
    def needs_books(self) -> bool:
        """True where a condition asks for what only the books know, or a fee is split by what they know."""
        return bool(self.claiming) or self._by_work or any(rule.needs_books for rule in self._rules.values())

    def hear(self, check: str, hearing: Hearing) -> Verdict | None:
        """The verdict of one check; None where it cannot be told yet, or not here."""
        key = (hearing.type.name, check)
        if check == EVIDENCE:
            return shows(hearing, self._schemas.get(key))
        found = next((each for each in hearing.type.document.checks if each.id == check), None)
        if found is None:
            return Verdict(None, f"its type has no check {check!r} any more")
        if found.by == "schema":
            wrong = self._schemas[key].mistakes(dict(hearing.evidence))
            return Verdict(not wrong and not hearing.lost, "; ".join(wrong))
        if found.by == "cel":
            return rule.judge(self._rules[key], hearing)
        return self._asked(found, hearing) if found.by == "judge" else None

    def claims(self, workflow: str) -> "list[tuple[OutcomeType, str, Rule]]":
        """The types that runs of a workflow may be claimed for without anybody claiming them."""
        return [(type, subject, when) for type, glob, subject, when in self.claiming if any_of([glob])(workflow)]

    def _asked(self, check: Check, hearing: Hearing) -> Verdict:
        judge = self.judges.get(check.judge or "")
        if judge is None:
            return Verdict(None, f"no judge {check.judge!r} is installed")
        try:
            return judge.judge(hearing, check.asks)
        except Exception as error:  # noqa: BLE001 -- somebody else's code: whatever it raises, nothing was decided
            return Verdict(None, f"the judge {check.judge} failed: {type(error).__name__}")

    def _compile(self, type: OutcomeType, mistakes: list[Mistake]) -> None:
        document, lines = type.document, type.lines

        def wrong(place: str, told: str) -> None:
            mistakes.append(Mistake(type.file, lines.get(place, lines.get(place.partition(".")[0], 1)), told))

        if document.evidence.json_schema is not None:
            self._schema(type.name, EVIDENCE, document.evidence.json_schema, "evidence", wrong)
        for number, check in enumerate(document.checks):
            place = f"checks.{number}"
            if check.by == "schema" and check.json_schema is not None:
                self._schema(type.name, check.id, check.json_schema, place, wrong)
            if check.by == "cel":
                try:
                    self._rules[type.name, check.id] = rule.claim_rule(check.when or "")
                except BadCondition as error:
                    wrong(place, f"`when`: {error}")
            if check.url is not None and not safe_url(check.url):
                wrong(place, "`url` must be https, or http on this machine. What is asked would travel in the clear.")
        for number, claim in enumerate(document.claims):
            place = f"claims.{number}"
            if claim.subject not in RUN_FIELDS:
                wrong(place, f"`subject` cannot be `{claim.subject}`. {did_you_mean(claim.subject, RUN_FIELDS)}")
            try:
                self.claiming.append((type, claim.workflow, claim.subject, rule.run_rule(claim.when)))
            except BadCondition as error:
                wrong(place, f"`when`: {error}")

    def _schema(self, type: str, check: str, schema: Mapping[str, object], place: str, wrong: Wrong) -> None:
        try:
            self._schemas[type, check] = Schema(schema)
        except BadSchema as error:
            wrong(place, f"{error}. Mend it.")
