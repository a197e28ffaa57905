"""A Pydantic AI agent."""

import os

from pydantic_ai import Agent

agent = Agent(f"openai:{os.environ['CLIENT_MODEL']}", instructions="Look the weather up before you speak of it.")


@agent.tool_plain
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"21 degrees in {city}"


print(agent.run_sync("What is the weather in Paris?").output)
