// A weather agent on the official Anthropic SDK, whole and streamed.
import Anthropic from "@anthropic-ai/sdk";

const model = process.env.CLIENT_MODEL ?? "claude-haiku-4-5";
const tools = [
  {
    name: "get_weather",
    description: "The weather in a city.",
    input_schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
];
const getWeather = ({ city }) => `${city}: 21 degrees, sunny`;

const client = new Anthropic();

async function answer(question, how) {
  const messages = [{ role: "user", content: question }];
  for (;;) {
    const asked = {
      model,
      max_tokens: 500,
      system: "You tell the weather. Use your tool, never guess.",
      messages,
      tools,
    };
    const reply =
      how === "stream" ? await client.messages.stream(asked).finalMessage() : await client.messages.create(asked);
    messages.push({ role: "assistant", content: reply.content });
    const uses = reply.content.filter((block) => block.type === "tool_use");
    if (!uses.length) return reply.content.map((block) => block.text ?? "").join("");
    const content = uses.map(({ id, input }) => ({ type: "tool_result", tool_use_id: id, content: getWeather(input) }));
    messages.push({ role: "user", content });
  }
}

for (const how of ["whole", "stream"]) console.log(await answer("What is the weather in Lisbon?", how));
