// Writes unicode-data.txt, what UnicodeNormalization needs to know of Unicode, from the tables that Node.js carries:
// node unicode-data.mjs. Lines are "ccc RANK FIRST LAST", "nfd CHARACTER PARTS…", "nfkd CHARACTER PARTS…" and "pair FIRST SECOND WHOLE", in hexadecimal.
import { writeFileSync } from 'node:fs';

const hex = text => [...text].map(c => c.codePointAt(0).toString(16)).join(' ');
const characters = [];
for (let code = 0x80; code < 0x110000; code++) {
  const surrogate = code >= 0xd800 && code < 0xe000, hangul = code >= 0xac00 && code < 0xd7a4; // Hangul syllables are computed.
  if (!surrogate && !hangul) characters.push(String.fromCodePoint(code));
}

// A mark is moved before U+0345, whose class is the highest; of two marks the one with the lower class goes first.
const marks = characters.filter(c => c === '\u0345' || (c.normalize('NFD') === c && ('\u0345' + c).normalize('NFD') !== '\u0345' + c && [...('\u0345' + c).normalize('NFD')][0] === c));
const before = (a, b) => (b + a).normalize('NFD') !== b + a;
marks.sort((a, b) => before(a, b) ? -1 : before(b, a) ? 1 : a.codePointAt(0) - b.codePointAt(0));
const ranks = [];
let rank = 1;
marks.forEach((mark, i) => {
  if (i > 0 && before(marks[i - 1], mark)) rank++;
  const code = mark.codePointAt(0), last = ranks.at(-1);
  if (last && last.rank === rank && last.last === code - 1) last.last = code;
  else ranks.push({ rank, first: code, last: code });
});

const lines = [`# Unicode ${process.versions.unicode}; written by unicode-data.mjs.`];
for (const { rank: r, first, last } of ranks) lines.push(`ccc ${r.toString(16)} ${first.toString(16)} ${last.toString(16)}`);
for (const c of characters) {
  const nfd = c.normalize('NFD'), nfkd = c.normalize('NFKD');
  if (nfd !== c) lines.push(`nfd ${hex(c)} ${hex(nfd)}`);
  if (nfkd !== nfd) lines.push(`nfkd ${hex(c)} ${hex(nfkd)}`);
  const parts = [...nfd];
  if (nfd === c || parts.length < 2 || nfd.normalize('NFC') !== c) continue;
  const first = parts.slice(0, -1).join('').normalize('NFC');
  if ([...first].length === 1) lines.push(`pair ${hex(first)} ${hex(parts.at(-1))} ${hex(c)}`);
}
writeFileSync(new URL('unicode-data.txt', import.meta.url), lines.join('\n') + '\n');
