"""A crew of one, with one task."""

import os

from crewai import LLM, Agent, Crew, Task
from crewai.tools import tool


@tool("get_weather")
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"21 degrees in {city}"


forecaster = Agent(
    role="Forecaster",
    goal="Tell people the weather",
    backstory="You look the weather up before you speak of it.",
    llm=LLM(model=os.environ["CLIENT_MODEL"], provider="openai"),
    tools=[get_weather],
)
task = Task(
    description="What is the weather in Paris?", expected_output="One sentence on the weather.", agent=forecaster
)
print(Crew(agents=[forecaster], tasks=[task]).kickoff().raw)
