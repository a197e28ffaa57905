"""An agent on the openai SDK alone: it asks, does what it is asked to do, and asks again."""

import json
import os

from openai import OpenAI

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def get_weather(city: str) -> str:
    return f"21 degrees in {city}"


client = OpenAI()
messages = [{"role": "user", "content": "What is the weather in Paris?"}]
while True:
    reply = client.chat.completions.create(model=os.environ["CLIENT_MODEL"], messages=messages, tools=[TOOL])
    message = reply.choices[0].message
    messages.append(message.model_dump(exclude_none=True))
    if not message.tool_calls:
        break
    for call in message.tool_calls:
        said = get_weather(**json.loads(call.function.arguments))
        messages.append({"role": "tool", "tool_call_id": call.id, "content": said})
print(message.content)
