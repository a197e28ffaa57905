"""An agent of the OpenAI Agents SDK, which speaks the responses API."""

import os

from agents import Agent, Runner, function_tool


@function_tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"21 degrees in {city}"


agent = Agent(
    name="forecaster",
    instructions="Look the weather up before you speak of it.",
    model=os.environ["CLIENT_MODEL"],
    tools=[get_weather],
)
print(Runner.run_sync(agent, "What is the weather in Paris?").final_output)
