// Usage: node stream-chat.mjs BASE_URL MODEL
// Streams a chat with the openai client, then asks for a model that is not there; prints what came as one JSON object.
import OpenAI from "openai";

const [baseURL, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "unused", maxRetries: 0 });
const messages = [{ role: "user", content: "The people of the United States" }];

const stream = await client.chat.completions.create({
  model, messages, stream: true, stream_options: { include_usage: true }, max_tokens: 16, temperature: 0,
});
const said = { text: "", pieces: 0, finishReason: null, usage: null, error: null };
for await (const chunk of stream) {
  const choice = chunk.choices[0];
  if (choice?.delta?.content) {
    said.text += choice.delta.content;
    said.pieces++;
  }
  said.finishReason = choice?.finish_reason ?? said.finishReason;
  said.usage = chunk.usage ?? said.usage;
}

try {
  await client.chat.completions.create({ model: `${model}-of-nobody`, messages });
} catch (error) {
  said.error = { name: error.constructor.name, status: error.status, code: error.code };
}
console.log(JSON.stringify(said));
