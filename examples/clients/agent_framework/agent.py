"""An agent of Microsoft's Agent Framework."""

import asyncio
import os

from agent_framework import Agent, tool
from agent_framework.openai import OpenAIChatClient


@tool(approval_mode="never_require")
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"21 degrees in {city}"


async def main() -> None:
    model = OpenAIChatClient(model=os.environ["CLIENT_MODEL"])
    agent = Agent(client=model, name="forecaster", tools=[get_weather])
    print((await agent.run("What is the weather in Paris?")).text)


asyncio.run(main())
