// Usage: node call-tool.mjs BASE_URL MODEL
// Uses a tool with the openai client: the model calls it, gets its result and answers; then the same call streamed, and a result of a call that nobody made.
// Prints what came as one JSON object.
import OpenAI from "openai";

const [baseURL, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "unused", maxRetries: 0 });
const tools = [{
  type: "function",
  function: {
    name: "weather",
    description: "The weather of the next days.",
    parameters: {
      type: "object",
      properties: { place: { enum: ["Jena", "Weimar"] }, days: { type: "integer", minimum: 1, maximum: 9 } },
      required: ["place", "days"],
      additionalProperties: false,
    },
  },
}];
const messages = [{ role: "user", content: "Will it rain in Jena?" }];
const ask = { model, messages, tools, tool_choice: "required", parallel_tool_calls: false, seed: 11 };

const first = await client.chat.completions.create(ask);
const { message, finish_reason: finishReason } = first.choices[0];
const call = message.tool_calls[0];
const { place, days } = JSON.parse(call.function.arguments);
const result = { role: "tool", tool_call_id: call.id, content: `${place}: rain on ${days} days` };
const last = await client.chat.completions.create({ model, messages: [...messages, message, result], tools, tool_choice: "none", max_tokens: 12, temperature: 0 });

const chunks = [];
const stream = client.chat.completions.stream({ ...ask, tool_choice: { type: "function", function: { name: "weather" } } });
stream.on("tool_calls.function.arguments.delta", (delta) => chunks.push(delta.arguments_delta));
const streamed = (await stream.finalChatCompletion()).choices[0];

let error = null;
try {
  await client.chat.completions.create({ model, messages: [...messages, { ...result, tool_call_id: "nobody" }], tools });
} catch (e) {
  error = { name: e.constructor.name, status: e.status, param: e.param };
}
console.log(JSON.stringify({
  finishReason, content: message.content, calls: message.tool_calls.length, call, answer: last.choices[0], streamed, pieces: chunks.length, joined: chunks.join(""), error,
}));
