// A weather agent on the Vercel AI SDK, with each provider's models, whole and streamed.
import { anthropic } from "@ai-sdk/anthropic";
import { openai } from "@ai-sdk/openai";
import { generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const models = [
  openai("gpt-4o-mini"), // the responses API is its default
  openai.chat("gpt-4o-mini"),
  anthropic("claude-haiku-4-5"),
];
const question = {
  system: "You tell the weather. Use your tool, never guess.",
  prompt: "What is the weather in Lisbon?",
  tools: {
    get_weather: tool({
      description: "The weather in a city.",
      inputSchema: z.object({ city: z.string() }),
      execute: async ({ city }) => `${city}: 21 degrees, sunny`,
    }),
  },
  stopWhen: stepCountIs(5),
};

async function streamed(model) {
  const failed = [];
  const { text } = streamText({ ...question, model, onError: ({ error }) => failed.push(error) });
  const answer = await text;
  if (failed.length) throw failed[0];
  return answer;
}

for (const model of models) {
  console.log((await generateText({ ...question, model })).text);
  console.log(await streamed(model));
}
