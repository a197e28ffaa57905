"""A LlamaIndex agent, its replies streamed."""

import asyncio
import os

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.llms.openai import OpenAI


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"21 degrees in {city}"


async def main() -> None:
    model = OpenAI(model=os.environ["CLIENT_MODEL"])
    agent = FunctionAgent(tools=[get_weather], llm=model, system_prompt="Look the weather up before you speak of it.")
    print(await agent.run(user_msg="What is the weather in Paris?"))


asyncio.run(main())
