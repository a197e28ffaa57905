"""A Semantic Kernel agent with one plugin."""

import asyncio
import os

from semantic_kernel.agents import ChatCompletionAgent
from semantic_kernel.connectors.ai.open_ai import OpenAIChatCompletion
from semantic_kernel.functions import kernel_function


class Weather:
    @kernel_function(name="get_weather", description="The weather in a city.")
    def get_weather(self, city: str) -> str:
        return f"21 degrees in {city}"


async def main() -> None:
    model = OpenAIChatCompletion(ai_model_id=os.environ["CLIENT_MODEL"])
    agent = ChatCompletionAgent(service=model, name="forecaster", plugins=[Weather()])
    reply = await agent.get_response(messages="What is the weather in Paris?")
    print(reply.content)


asyncio.run(main())
