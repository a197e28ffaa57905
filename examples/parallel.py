"""Ten agents at once on one budget: those that find no room are refused, and the cap holds."""

import asyncio

from openai import AsyncOpenAI

import comptroller as ct


async def ask(client: AsyncOpenAI, run: ct.Run, number: int) -> str:
    """One agent's question; each may cost up to about 0.01 USD."""
    async with run.agent(f"worker-{number}"):
        try:
            reply = await client.chat.completions.create(
                model="gpt-4o",
                max_tokens=1000,
                messages=[{"role": "user", "content": f"Fact {number}, please."}],
            )
        except ct.OverBudget as refusal:
            return f"refused: {refusal}"
        return reply.choices[0].message.content or ""


async def main() -> None:
    """All of them together."""
    async with ct.wrap(AsyncOpenAI()) as client, ct.run("parallel", customer="acme", budget="0.05 USD") as run:
        for answer in await asyncio.gather(*(ask(client, run, number) for number in range(10))):
            print(answer)


asyncio.run(main())
