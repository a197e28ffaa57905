"""An Agent Squad: OpenAI's model chooses the agent, Anthropic's answers with its tool."""

import asyncio
import os

from agent_squad.agents import AnthropicAgent, AnthropicAgentOptions
from agent_squad.classifiers import OpenAIClassifier, OpenAIClassifierOptions
from agent_squad.orchestrator import AgentSquad
from agent_squad.utils import AgentTool, AgentTools


def get_weather(city: str) -> str:
    """The weather in a city.

    :param city: the city
    """
    return f"21 degrees in {city}"


forecaster = AnthropicAgent(
    AnthropicAgentOptions(
        name="forecaster",
        description="Knows the weather.",
        api_key=os.environ["ANTHROPIC_API_KEY"],
        model_id="claude-haiku-4-5",
        tool_config={"tool": AgentTools([AgentTool("get_weather", func=get_weather)])},
    )
)
chooser = OpenAIClassifier(OpenAIClassifierOptions(os.environ["OPENAI_API_KEY"], os.environ["CLIENT_MODEL"]))
squad = AgentSquad(classifier=chooser)
squad.add_agent(forecaster)
end = asyncio.run(squad.route_request("What is the weather in Paris?", user_id="ada", session_id="one"))
print(end.output.content[0].text)
