// Usage: node embed.mjs BASE_URL MODEL
// Embeds two texts with the openai client, as numbers and as the client would by itself; prints what came as one JSON object.
import OpenAI from "openai";

const [baseURL, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "unused", maxRetries: 0 });
const input = ["The people of the United States", "It is a truth universally acknowledged"];

const own = await client.embeddings.create({ model, input });
const numbers = await client.embeddings.create({ model, input, encoding_format: "float" });
const said = { own: own.data.map((d) => d.embedding), numbers: numbers.data.map((d) => d.embedding), usage: own.usage, error: null };
try {
  await client.embeddings.create({ model, input: ["ok", "whale ".repeat(2000)] });
} catch (error) {
  said.error = { name: error.constructor.name, status: error.status, code: error.code, param: error.param };
}
console.log(JSON.stringify(said));
