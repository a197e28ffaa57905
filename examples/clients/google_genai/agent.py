"""An agent on Google's SDK alone, which calls the function by itself."""

import os

from google import genai


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"21 degrees in {city}"


with genai.Client() as client:
    reply = client.models.generate_content(
        model=os.environ["CLIENT_MODEL"],
        contents="What is the weather in Paris?",
        config=genai.types.GenerateContentConfig(tools=[get_weather]),
    )
    print(reply.text)
