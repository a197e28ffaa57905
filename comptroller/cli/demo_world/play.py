"""One piece of work, played: its steps one after the other, on the real call path."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from comptroller.cli.demo_world.papers import paper
from comptroller.cli.demo_world.script import Case, Step, Workflow, filled
from comptroller.cli.demo_world.talk import Asked, Clients, Opening, Talk
from comptroller.cli.demo_world.toolbox import Toolbox, ToolFailed
from comptroller.core.errors import Refused
from comptroller.wrapper.desk import Desk
from comptroller.wrapper.run import Agent, Run

Say = Callable[[str, str], None]
Program = Callable[[str, Run, "Work"], str]  # a program of somebody else's, the run it is part of, what is to be done


class CodeBroke(Exception):
    """The agent's own code broke."""


@dataclass(slots=True)
class Doors:
    """How agents reach their models: wrapped in this process, or through the gateway."""

    inside: Clients
    outside: Clients
    finish: Callable[[str], None]  # the end of a run at the gateway
    program: Program


@dataclass(slots=True)
class Work:
    """What is to be done."""

    workflow: Workflow
    case: Case
    customer: str
    user: str
    values: dict[str, Any]


@dataclass(slots=True)
class Done:
    """What came of it."""

    run: str
    work: Work
    error: str = ""
    claims: list[str] = field(default_factory=list)


def _silent(who: str, what: str) -> None:
    pass


class Player:
    """Plays work; `pause` lets time pass, `say` is told what agents say."""

    def __init__(
        self,
        desk: Desk,
        doors: Doors,
        toolbox: Toolbox,
        pause: Callable[[float], None],
        say: Say = lambda who, what: None,
    ) -> None:
        self.desk, self.doors, self.toolbox, self.pause, self.say = desk, doors, toolbox, pause, say

    def play(self, work: Work, begun: Callable[[str], None] = lambda run: None) -> Done:
        """Do a piece of work, and tell its run once it has begun.

        Whatever its agents die of is on record, and not an error of ours.
        """
        done = Done("", work)
        try:
            if work.workflow.gateway:
                self._through_the_gateway(work, done)
            else:
                self._in_process(work, done, begun)
        except Exception as error:  # noqa: BLE001 - agents fail in every way there is: that is what this world shows
            done.error = f"{type(error).__name__}: {error}"
        return done

    def _in_process(self, work: Work, done: Done, begun: Callable[[str], None]) -> None:
        name, flow = work.workflow.workflow, work.workflow
        run = Run(name, customer=work.customer, user=work.user, budget=flow.budget, desk=self.desk)
        with run:
            done.run = run.id
            begun(run.id)
            _Play(self, work, done, run, run, "").steps(flow.steps)

    def _through_the_gateway(self, work: Work, done: Done) -> None:
        done.run = self.desk.clock.new_id()
        try:
            _Play(self, work, done, None, None, "").steps(work.workflow.steps)
        finally:
            self.doors.finish(done.run)


class _Play:
    """A piece of work under way, as one agent (or the run itself) sees it."""

    def __init__(self, player: Player, work: Work, done: Done, run: Run | None, span: Run | Agent | None, agent: str):
        self._player, self._work, self._done = player, work, done
        self._run, self._span, self._agent = run, span, agent

    def steps(self, steps: list[Step]) -> None:
        for step in steps:
            if (not step.only or self._work.case.name in step.only) and self._work.case.name not in step.unless:
                self._step(step)

    def _step(self, step: Step) -> None:
        if step.pause:
            self._player.pause(step.pause)
        if step.agent:
            self._delegate(step)
        elif step.ask:
            self._ask(step)
        elif step.tool:
            self._use(step.tool, filled(step.args, self._work.values))
        elif step.program:
            assert self._run is not None, "a program is part of a run of this process"
            said = self._player.doors.program(step.program, self._run, self._work)
            self._player.say(step.program, f"(through the gateway) {_told(said)}")
        elif step.claim:
            self._claim(step)
        elif step.fail:
            raise CodeBroke(self._filled(step.fail))

    def _delegate(self, step: Step) -> None:
        if self._span is None:  # at the gateway an agent is whoever says so in its headers
            _Play(self._player, self._work, self._done, None, None, step.agent).steps(step.steps)
            return
        with self._span.agent(step.agent, scopes=step.scopes) as span:
            _Play(self._player, self._work, self._done, self._run, span, step.agent).steps(step.steps)

    def _ask(self, step: Step) -> None:
        try:
            said = self._converse(step)
        except Refused as refusal:
            self._say(f"is refused: {refusal}")
            if step.must:
                raise
        else:
            self._say(_told(said))

    def _converse(self, step: Step) -> str:
        """Ask, do what the model asks for, tell it what came of it, until it has said all it has to say."""
        talk = self._begun(step)
        turn = talk.send()
        for _ in range(step.rounds):
            if not turn.calls:
                break
            talk.answer([(call, self._done_for(call)) for call in turn.calls])
            turn = talk.send()
        if step.then:
            self._say(_told(turn.text))
            talk.ask(self._filled(step.then))
            turn = talk.send()
        return turn.text or " ".join(self._done_for(call) for call in turn.calls)

    def _begun(self, step: Step) -> Talk:
        player, work = self._player, self._work
        text = self._filled(step.ask)
        if step.paper:
            text = f"{paper(step.paper, text)}\n\n{text}"
        tools = player.toolbox.offered(step.tools)
        opening = Opening(step.model, self._filled(step.system), text, step.max_tokens, tools, step.stream)
        if self._run is not None:
            return player.doors.inside.begin(opening, {})
        said = {"run": self._done.run, "workflow": work.workflow.workflow, "agent": self._agent, "user": work.user}
        if work.workflow.budget:
            said["budget"] = work.workflow.budget
        said["customer"] = work.customer
        headers = {f"comptroller-{name}": value for name, value in said.items() if value}
        return player.doors.outside.begin(opening, headers)

    def _done_for(self, call: Asked) -> str:
        """The result of a tool for the model: where it fails or is refused, the words why."""
        if self._run is None:  # an agent elsewhere has tools of its own
            return self._player.toolbox.plain(call.name, call.args)
        try:
            result = self._player.toolbox.call(call.name, call.args)
        except (Refused, ToolFailed) as error:
            self._say(f"{call.name}: {error}")
            return f"error: {error}"
        return result

    def _use(self, tool: str, args: Mapping[str, Any]) -> None:
        """A tool that the agent's own code uses; its failure is the agent's."""
        try:
            self._say(self._player.toolbox.call(tool, args))
        except Refused as refusal:
            self._say(f"{tool} is refused: {refusal}")

    def _claim(self, step: Step) -> None:
        assert self._run is not None, "claims are made where the run is"
        evidence = filled(step.evidence, self._work.values)
        subject = self._filled(step.subject)
        made = self._run.claim(step.claim, subject=subject, evidence=evidence, degree=step.degree)
        self._done.claims.append(made)
        self._say(f"claims: {step.claim} for {subject}")

    def _filled(self, template: str) -> str:
        return str(filled(template, self._work.values))

    def _say(self, text: str) -> None:
        self._player.say(self._agent, text)


def _told(text: str) -> str:
    """What a model said, or that a call of its was refused: that stands where its words would."""
    return f"is refused: {text}" if text.startswith("[denied") else text
