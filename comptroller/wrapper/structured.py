"""Replies that are to be JSON of a certain form: mended where that loses nothing, else asked for again or told of."""

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from comptroller.core.call import Part, Reply, Request, ToolCall
from comptroller.core.errors import Denied
from comptroller.core.healing import SHAPE, Structured
from comptroller.core.verdict import Verdict
from comptroller.dialects.demands import Demands, demands_of
from comptroller.guardrails.shape import MOST_TEXT, Form, form_of, mended, parsed
from comptroller.guardrails.weighing import Unchecked
from comptroller.guardrails.window import Window

if TYPE_CHECKING:
    from comptroller.wrapper.entry import Entry
    from comptroller.wrapper.healing import Tries
    from comptroller.wrapper.shared import Job

CUT = frozenset(("length", "max_tokens", "max_output_tokens"))  # reasons to end that leave JSON unfinished
NOT_JSON = "It is not JSON."


@dataclass(slots=True)
class Look:
    """What became of a reply's texts and arguments, and what is wrong with those that nobody could mend."""

    texts: dict[Hashable, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)  # for the model: it may quote the reply
    kinds: dict[str, None] = field(default_factory=dict)  # of what was mended
    unchecked: str = ""


class Shape:
    """What one request demands, and what its replies are made of it."""

    def __init__(self, said: Structured, demands: Demands) -> None:
        self.said, self.demands = said, demands

    def look(self, reply: Reply) -> Look:
        """Hold a whole reply against what was demanded; what can be mended is, in the reply itself."""
        found = Look()
        try:
            if self.demands.text is not None and not reply.calls and not _declined(reply):
                self._texts(found, reply, form_of(self.demands.text))
            for number, call in enumerate(reply.calls):
                if (made := self._call(call, found)) is not call:
                    reply.calls[number] = made
                    found.texts[call.path] = made.text
        except Unchecked as why:
            found.unchecked = str(why)
        return found

    def call(self, call: ToolCall) -> ToolCall:
        """A tool call with its arguments mended; the same where they need not, or cannot be."""
        try:
            return self._call(call, Look())
        except Unchecked:
            return call  # what becomes of it is said of the whole reply

    def _call(self, call: ToolCall, found: Look) -> ToolCall:
        schema = self.demands.tools.get(call.name)
        if schema is None:
            return call
        text = self._one(call.text, form_of(schema), found, f"In the call of {call.name}: ")
        if text is None:
            return call
        made = parsed(text)[1]
        return replace(call, text=text, args=made) if isinstance(made, dict) else call

    def text(self, text: str) -> str:
        """A text of the reply, mended where that can be."""
        if self.demands.text is None:
            return text
        try:
            return self._one(text, form_of(self.demands.text), Look(), "") or text
        except Unchecked:
            return text

    def _texts(self, found: Look, reply: Reply, form: Form) -> None:
        choices: dict[object, list[int]] = {}
        for number, part in enumerate(reply.parts):
            if part.kind == "text" and part.role != "field":
                choices.setdefault(_choice_of(part), []).append(number)
        if not choices:
            found.wrong.append("It is empty.")
        for numbers in choices.values():
            text = "".join(reply.parts[number].text for number in numbers)
            if reply.finish.lower() in CUT and not parsed(text)[0]:
                found.wrong.append("It was cut off at its length. Answer in fewer words.")
            elif (made := self._one(text, form, found, "", mend=len(numbers) == 1)) is not None:
                part = reply.parts[numbers[0]]
                reply.parts[numbers[0]] = replace(part, text=made)
                found.texts[part.path] = made

    def _one(self, text: str, form: Form, found: Look, where: str, mend: bool = True) -> str | None:
        """The text as it was mended; None where it fits as it is, or cannot be."""
        if len(text) > MOST_TEXT:
            raise Unchecked(f"it is longer than {MOST_TEXT} characters")
        is_json, value = parsed(text)
        wrong = form.mistakes(value) if is_json else [NOT_JSON]
        if not wrong:
            return None
        made = mended(text, lambda value: not form.mistakes(value)) if mend and self.said.mend else None
        if made is None:
            found.wrong += [f"{where}{one}" for one in wrong]
            return None
        found.kinds.update(dict.fromkeys(made[1]))
        return made[0]


class Whole(Window):
    """A window that waits for all of a text and looks at what it was mended to."""

    def __init__(self, *of: Any) -> None:
        super().__init__(*of)
        self._came: list[str] = []

    def push(self, delta: str) -> str:
        self._came.append(delta)
        return ""

    def take(self, shape: Shape | None) -> str:
        """What is released of the whole text; of one that is no answer (thinking, say) without a shape."""
        text = "".join(self._came)
        self._came = []
        return super().push(text if shape is None else shape.text(text))


def shape_for(job: "Job", request: Request) -> Shape | None:
    """What a request demands, where a policy looks after that."""
    said = job.tries.healing.structured if job.tries is not None else None
    if said is None:
        return None
    demands = demands_of(job.dialect.name, request)
    return Shape(said, demands) if demands else None


def tell(entry: "Entry", shape: Shape, look: Look) -> None:
    """Put on record what was mended, and what could not be looked at."""
    said = shape.said
    if look.kinds:
        because = f"The reply was mended to the JSON that was asked for: {', '.join(look.kinds)}."
        entry.say("reply", Verdict("note", "structured.mended", said.policy, because, said.place))
    if look.unchecked:
        because = f"The reply could not be held against the form that was asked for: {look.unchecked}."
        action = said.otherwise == "deny"
        entry.say(
            "reply", Verdict("deny" if action else "note", "structured.unchecked", said.policy, because, said.place)
        )


def insist(entry: "Entry", job: "Job", shape: Shape, look: Look) -> None:
    """Refuse what is not as it was asked for, where it is asked for again or may not pass."""
    said, tries = shape.said, job.tries
    assert tries is not None, "a form is looked after where tries are"
    if look.unchecked and said.otherwise == "deny":
        raise Denied(entry.because, {"rule": "structured.unchecked", "place": said.place})
    if not look.wrong:
        return
    because = f"The reply is not the JSON that was asked for ({_counted(look.wrong)})."
    stands = said.otherwise == "pass" and (entry.reply_approved or not _may_ask(job, said, tries))
    verdict = Verdict("note" if stands else "deny", SHAPE, said.policy, because, said.place)
    entry.say("reply", verdict)
    if stands:
        entry.misshapen = True
        return
    tries.words = " ".join(look.wrong)
    raise Denied(because, {"rule": SHAPE, "place": said.place})


def _may_ask(job: "Job", said: Structured, tries: "Tries") -> bool:
    retry, request = said.retry, tries.request
    if retry is None or request is None or not tries.left({SHAPE: retry}):
        return False
    return job.dialect.append(request, "") is not None


def _counted(wrong: list[str]) -> str:
    """How much is wrong, without a word of the reply: it stands on record."""
    if any(NOT_JSON in one for one in wrong):
        return "it is not JSON"
    return "1 mistake" if len(wrong) == 1 else f"{len(wrong)} mistakes"


def _declined(reply: Reply) -> bool:
    """A model that declines does so in words."""
    return any(part.kind == "refusal" for part in reply.parts) or reply.finish.lower() in (
        *("content_filter", "safety", "refusal", "prohibited_content", "recitation", "blocklist"),
    )


def _choice_of(part: Part) -> object:
    """Several choices are several replies; several pieces of one are one text."""
    path = part.path
    if isinstance(path, tuple) and len(path) > 1:
        return path[1] if path[0] in ("choices", "candidates") else path[0] if isinstance(path[0], int) else ""
    return ""
