"""An AutoGen assistant that reflects on what its tool said."""

import asyncio
import os

from autogen_agentchat.agents import AssistantAgent
from autogen_ext.models.openai import OpenAIChatCompletionClient


async def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"21 degrees in {city}"


async def main() -> None:
    model = OpenAIChatCompletionClient(model=os.environ["CLIENT_MODEL"])
    agent = AssistantAgent("forecaster", model_client=model, tools=[get_weather], reflect_on_tool_use=True)
    end = await agent.run(task="What is the weather in Paris?")
    print(end.messages[-1].content)
    await model.close()


asyncio.run(main())
