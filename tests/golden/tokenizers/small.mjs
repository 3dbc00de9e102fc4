// Small tokenizers for the parts that the real ones of this folder do not have.
const base = { version: '1.0', truncation: null, padding: null, added_tokens: [], normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null };
const vocab = tokens => Object.fromEntries(tokens.map((token, id) => [token, id]));
const special = (id, content, flags = {}) => ({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true, ...flags });

const letters = [...'abcdefghijklmnopqrstuvwxyz'];
const pieces = [
  ['<unk>', 0], ['▁', -2.5], ['▁the', -3.1], ['▁a', -3.4], ['s', -3.2], ['ing', -4.1], ['▁in', -4.2], ['ed', -4.4], ['▁walk', -7.5], ['▁walking', -9.9], ['er', -4.6], ['▁un', -6.1],
  ['believ', -8.8], ['able', -6.9], ['▁日本', -9.5], ['語', -9.1], ['.', -3.9], [',', -4.0], ...letters.map((c, i) => [c, -5 - i / 10]),
];
const bytes = Array.from({ length: 256 }, (_, b) => [`<0x${b.toString(16).toUpperCase().padStart(2, '0')}>`, -20]);
const unigramTexts = ['the walking', ' unbelievable walks', 'a walker walked.', '日本語 the', 'xyz QQQ über', '', '  two  spaces ', 'thethethe', 'ingingeder,s', '🙂 the 🙂🙂'];

export const small = {
  unigram: {
    json: { ...base, pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true }, decoder: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
      added_tokens: [special(pieces.length, '</s>')],
      post_processor: { type: 'TemplateProcessing', single: [{ Sequence: { id: 'A', type_id: 0 } }, { SpecialToken: { id: '</s>', type_id: 0 } }], pair: [],
        special_tokens: { '</s>': { id: '</s>', ids: [pieces.length], tokens: ['</s>'] } } },
      model: { type: 'Unigram', unk_id: 0, vocab: [...pieces, ['</s>', 0]], byte_fallback: false } },
    texts: unigramTexts,
  },
  'unigram-lowercase-never': {
    json: { ...base, normalizer: { type: 'Sequence', normalizers: [{ type: 'NFKD' }, { type: 'StripAccents' }, { type: 'Lowercase' }, { type: 'Strip', strip_left: true, strip_right: true },
      { type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' }] },
      pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'WhitespaceSplit' }, { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true }] },
      model: { type: 'Unigram', unk_id: 0, vocab: pieces, byte_fallback: false } },
    texts: [...unigramTexts, 'THE WÄLKING', 'Ünbeliévable ﬁn', '  A   B  '],
  },
  wordpiece: {
    json: { ...base, normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true }, pre_tokenizer: { type: 'BertPreTokenizer' },
      decoder: { type: 'WordPiece', prefix: '##', cleanup: true }, added_tokens: [special(0, '[UNK]'), special(1, '[CLS]'), special(2, '[SEP]')],
      post_processor: { type: 'TemplateProcessing', single: [{ SpecialToken: { id: '[CLS]', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }, { SpecialToken: { id: '[SEP]', type_id: 0 } }], pair: [],
        special_tokens: { '[CLS]': { id: '[CLS]', ids: [1], tokens: ['[CLS]'] }, '[SEP]': { id: '[SEP]', ids: [2], tokens: ['[SEP]'] } } },
      model: { type: 'WordPiece', unk_token: '[UNK]', continuing_subword_prefix: '##', max_input_chars_per_word: 20,
        vocab: vocab(['[UNK]', '[CLS]', '[SEP]', 'the', 'un', '##believ', '##able', 'walk', '##ing', '##s', '.', ',', '!', "'", 'a', '##a', '日', '本', 'cafe']) } },
    texts: ['The unbelievable walking!', 'walks, walks.', "a'a", '日本', 'café CAFÉ', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'xyz the', '', 'the\tun\u0000walk', '[CLS] the [SEP]'],
  },
  'bpe-bytes': {
    json: { ...base, normalizer: { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '▁' }, { type: 'Replace', pattern: { String: ' ' }, content: '▁' }] },
      decoder: { type: 'Sequence', decoders: [{ type: 'Replace', pattern: { String: '▁' }, content: ' ' }, { type: 'ByteFallback' }, { type: 'Fuse' }, { type: 'Strip', content: ' ', start: 1, stop: 0 }] },
      added_tokens: [special(0, '<unk>'), special(1, '<s>')],
      model: { type: 'BPE', unk_token: '<unk>', fuse_unk: true, byte_fallback: true, ignore_merges: false, dropout: null,
        vocab: vocab(['<unk>', '<s>', ...bytes.map(b => b[0]), '▁', ...letters, '▁t', 'he', '▁the', 'in', 'ing', '▁▁']), merges: ['▁ t', 'h e', '▁t he', 'i n', 'in g', '▁ ▁'] } },
    texts: ['the thing', '  the   ings', 'Über 日本 🙂', '', ' ', 'tthhee', 'a<s>the', '▁the'],
  },
  'bpe-unknown': {
    json: { ...base, pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'Whitespace' }, { type: 'Digits', individual_digits: true }, { type: 'Punctuation', behavior: 'Isolated' }] },
      model: { type: 'BPE', unk_token: '<unk>', fuse_unk: true, byte_fallback: false, ignore_merges: true, dropout: null,
        vocab: vocab(['<unk>', ...letters, ...'0123456789', '.', ',', '_', 'th', 'whole']), merges: [['t', 'h']] } },
    texts: ['the whole th', 'ÄÖ aÄÖb', 'a1b22,c.d_e', 'x\ny\tz', '', '日本th'],
  },
  'added-tokens': {
    json: { ...base, pre_tokenizer: { type: 'Split', pattern: { String: ' ' }, behavior: 'Isolated', invert: false },
      added_tokens: [special(0, '<l>', { lstrip: true }), special(1, '<r>', { rstrip: true }), special(2, 'one', { special: false }), special(3, '<lr>', { lstrip: true, rstrip: true }),
        special(4, '<a>'), special(5, '<a><b>')],
      model: { type: 'BPE', unk_token: null, fuse_unk: false, byte_fallback: false, dropout: null, vocab: { ...vocab(['<l>', '<r>', 'one', '<lr>', '<a>', '<a><b>']), ...Object.fromEntries([...letters, ' ', '<', '>'].map((c, i) => [c, 10 + i])) }, merges: [] } },
    texts: ['a <l> b', 'a <r>  b', 'one ones one', 'a  <lr>  b', '<a><b> <a>', 'xone onex <a', '<l><r><lr>', ' <l>', '<r> '],
  },
};
