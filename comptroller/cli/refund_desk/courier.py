"""A program that knows nothing of Comptroller: a provider's plain client, led to the gateway by its environment."""

from openai import OpenAI

with OpenAI() as client:
    reply = client.chat.completions.create(
        model="gpt-4o-mini",
        max_tokens=200,
        messages=[{"role": "user", "content": "The parcel of order 1042 is lost. Make it good."}],
        tools=[
            {
                "type": "function",
                "function": {
                    "name": "issue_refund",
                    "description": "Pay money back.",
                    "parameters": {
                        "type": "object",
                        "properties": {"order": {"type": "string"}, "amount": {"type": "number"}},
                        "required": ["order", "amount"],
                    },
                },
            }
        ],
    )
    print(reply.choices[0].message.content)
