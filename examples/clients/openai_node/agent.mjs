// A weather agent on the official OpenAI SDK, over both its APIs, whole and streamed.
import OpenAI from "openai";

const model = process.env.CLIENT_MODEL ?? "gpt-4o-mini";
const instructions = "You tell the weather. Use your tool, never guess.";
const question = "What is the weather in Lisbon?";
const weather = {
  name: "get_weather",
  description: "The weather in a city.",
  parameters: {
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
    additionalProperties: false,
  },
  strict: true,
};
const getWeather = ({ city }) => `${city}: 21 degrees, sunny`;

const client = new OpenAI();

async function chat(how) {
  const messages = [
    { role: "system", content: instructions },
    { role: "user", content: question },
  ];
  for (;;) {
    const asked = { model, messages, tools: [{ type: "function", function: weather }] };
    const reply =
      how === "stream"
        ? await client.chat.completions.stream(asked).finalChatCompletion()
        : await client.chat.completions.create(asked);
    const { message } = reply.choices[0];
    messages.push(message);
    if (!message.tool_calls?.length) return message.content;
    for (const call of message.tool_calls) {
      const content = getWeather(JSON.parse(call.function.arguments));
      messages.push({ role: "tool", tool_call_id: call.id, content });
    }
  }
}

async function responses(how) {
  let input = question;
  let previous;
  for (;;) {
    const tools = [{ type: "function", ...weather }];
    const asked = { model, instructions, input, tools, previous_response_id: previous };
    const reply =
      how === "stream" ? await client.responses.stream(asked).finalResponse() : await client.responses.create(asked);
    const calls = reply.output.filter((item) => item.type === "function_call");
    if (!calls.length) return reply.output.flatMap((item) => item.content ?? []).map((part) => part.text).join("");
    previous = reply.id;
    input = calls.map(({ call_id, arguments: args }) => ({
      type: "function_call_output",
      call_id,
      output: getWeather(JSON.parse(args)),
    }));
  }
}

for (const answer of [chat, responses]) {
  for (const how of ["whole", "stream"]) console.log(await answer(how));
}
