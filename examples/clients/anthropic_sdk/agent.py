"""An agent on the anthropic SDK alone, its replies streamed."""

import os

from anthropic import Anthropic

TOOL = {
    "name": "get_weather",
    "description": "The weather in a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def get_weather(city: str) -> str:
    return f"21 degrees in {city}"


client = Anthropic()
messages = [{"role": "user", "content": "What is the weather in Paris?"}]
while True:
    asked = {"model": os.environ["CLIENT_MODEL"], "max_tokens": 500, "messages": messages, "tools": [TOOL]}
    with client.messages.stream(**asked) as stream:
        reply = stream.get_final_message()
    calls = [block for block in reply.content if block.type == "tool_use"]
    if not calls:
        break
    results = [{"type": "tool_result", "tool_use_id": call.id, "content": get_weather(**call.input)} for call in calls]
    messages += [{"role": "assistant", "content": reply.content}, {"role": "user", "content": results}]
print("".join(block.text for block in reply.content if block.type == "text"))
