"""Transcripts of AgentDojo's tasks: prompts, ground-truth calls, and what the tools of its environments answer.

Runs where `agentdojo` is installed and needs nothing of ours; prints one JSON object a line. Each run is a suite, a
user task and, behind it, an injection task: the user's calls with the injected text in what their tools return, then
the calls the injection wants, then those it would have led to.
"""

import argparse
import copy
import json
import sys
import warnings

warnings.simplefilter("ignore")

from agentdojo.agent_pipeline.ground_truth_pipeline import GroundTruthPipeline  # noqa: E402
from agentdojo.agent_pipeline.tool_execution import tool_result_to_str  # noqa: E402
from agentdojo.attacks.important_instructions_attacks import ImportantInstructionsAttack  # noqa: E402
from agentdojo.functions_runtime import FunctionsRuntime  # noqa: E402
from agentdojo.task_suite.load_suites import get_suites  # noqa: E402


class Told:
    """One run on its way out."""

    def __init__(self, run, suite):
        self.run, self.suite, self.number = run, suite, 0

    def say(self, **event):
        print(json.dumps({"run": self.run, **event}, ensure_ascii=False, default=str))

    def call(self, runtime, env, call, part):
        """A ground-truth call and its result; `part` says whose task it belongs to."""
        id = f"{part}{self.number}"
        self.number += 1
        self.say(event="call", id=id, tool=call.function, args=call.args)
        result, error = runtime.run_function(env, call.function, call.args)
        self.say(event="result", id=id, tool=call.function, text=error or tool_result_to_str(result))


def play(suite, user_task, injections, injection_task, run):
    """A user task in an environment, and the injected calls behind it."""
    told, runtime = Told(run, suite.name), FunctionsRuntime(suite.tools)
    env = user_task.init_environment(suite.load_and_inject_default_environment(injections))
    told.say(event="user", text=user_task.PROMPT)
    for call in user_task.ground_truth(copy.deepcopy(env)):
        told.call(runtime, env, call, "u")
    if injection_task is not None:
        for call in injection_task.ground_truth(copy.deepcopy(env)):
            told.call(runtime, env, call, "i")


def attack_of(suite):
    """The benchmark's own attack; its texts name some model."""
    attack = ImportantInstructionsAttack.__new__(ImportantInstructionsAttack)
    pipeline = GroundTruthPipeline(None)
    pipeline.name = "gpt-4o-2024-05-13"
    attack.__init__(suite, pipeline)
    return attack


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--version", default="v1.2.2")
    parser.add_argument("--suite", action="append")
    args = parser.parse_args()
    for name, suite in get_suites(args.version).items():
        if args.suite and name not in args.suite:
            continue
        attack = attack_of(suite)
        for user_id, user_task in suite.user_tasks.items():
            play(suite, user_task, {}, None, f"{name}/{user_id}")
            for injection_id, injection_task in suite.injection_tasks.items():
                try:
                    injections = attack.attack(user_task, injection_task)
                except ValueError:  # no tool the task uses returns anything that could be injected
                    continue
                play(suite, user_task, injections, injection_task, f"{name}/{user_id}/{injection_id}")


if __name__ == "__main__":
    sys.exit(main())
