// Usage: node finetune.mjs BASE_URL MODEL FILE
// Finetunes with the openai client: uploads FILE, makes a job, follows it to its end and asks the finetuned model; then cancels a second job. Prints one JSON object.
import fs from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import OpenAI, { toFile } from "openai";

const [baseURL, model, path] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "unused", maxRetries: 0 });
const refused = async (call) => {
  try {
    await call();
    return null;
  } catch (error) {
    return { status: error.status, code: error.code, param: error.param };
  }
};
const follow = async (id, until) => {
  for (let i = 0; i < 900; i++) {
    const job = await client.fineTuning.jobs.retrieve(id);
    if (until.includes(job.status)) return job;
    await sleep(100);
  }
  throw new Error(`job ${id} did not come to ${until}: ${JSON.stringify(await client.fineTuning.jobs.retrieve(id))}`);
};

const badFile = await refused(async () => client.files.create({ file: await toFile(Buffer.from("{oops"), "bad.jsonl"), purpose: "fine-tune" }));
const file = await client.files.create({ file: fs.createReadStream(path), purpose: "fine-tune" });
const badModel = await refused(() => client.fineTuning.jobs.create({ model: `${model}-of-nobody`, training_file: file.id }));
const badEpochs = await refused(() => client.fineTuning.jobs.create({
  model, training_file: file.id, method: { type: "supervised", supervised: { hyperparameters: { n_epochs: 0 } } },
}));
const job = await client.fineTuning.jobs.create({
  model, training_file: file.id, suffix: "Words", seed: 7,
  method: { type: "supervised", supervised: { hyperparameters: { n_epochs: 2, learning_rate_multiplier: 2 } } },
});
const inUse = await refused(() => client.files.delete(file.id));
const done = await follow(job.id, ["succeeded", "failed", "cancelled"]);
const events = [];
for await (const event of client.fineTuning.jobs.listEvents(job.id, { limit: 2 })) events.push(event);
const chat = done.fine_tuned_model
  ? await client.chat.completions.create({ model: done.fine_tuned_model, messages: [{ role: "user", content: "The" }], max_tokens: 4 })
  : null;

const second = await client.fineTuning.jobs.create({ model, training_file: file.id, hyperparameters: { n_epochs: 1000 } });
await follow(second.id, ["running"]);
await client.fineTuning.jobs.pause(second.id);
const paused = await follow(second.id, ["paused"]);
await client.fineTuning.jobs.resume(second.id);
await follow(second.id, ["running"]);
await client.fineTuning.jobs.cancel(second.id);
const cancelled = await follow(second.id, ["cancelled"]);
const again = await refused(() => client.fineTuning.jobs.cancel(second.id));
for (let i = 0; i < 300 && (await client.fineTuning.jobs.retrieve(second.id)).finished_at === null; i++) await sleep(100);
const jobs = [];
for await (const one of client.fineTuning.jobs.list({ limit: 1 })) jobs.push(one.id);
const content = await (await client.files.content(file.id)).text();
const deleted = await client.files.delete(file.id);
console.log(JSON.stringify({
  badFile, badModel, badEpochs, inUse, again, file, created: job.status, done, events: events.map((e) => e.message), answer: chat?.model, paused: paused.status,
  cancelled: cancelled.status, second: second.id, jobs, same: content === fs.readFileSync(path, "utf8"), deleted: deleted.deleted,
}));
