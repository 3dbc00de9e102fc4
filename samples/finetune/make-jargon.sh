#!/usr/bin/env bash
# Makes jargon-train.jsonl and jargon-eval.jsonl from the Jargon File 4.4.7 (Debian package jargon-text).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && { apt-get download -q jargon-text=4.4.7-4.1 2>/dev/null || { apt-get update -q && apt-get download -q jargon-text=4.4.7-4.1; }; } >/dev/null && dpkg -x jargon-text_*.deb .)
gunzip -c "$work/usr/share/doc/jargon-text/jargon.txt.gz" >"$work/jargon.txt"
echo "40dfb4b98191a670a09a183d5798d50f243d23fdbd1495dcc0aca2ce5895ba97  $work/jargon.txt" | sha256sum -c --quiet
dotnet run --project runtime/models/AiFabric.Pretraining -c Release -- jargon "$work/jargon.txt" "$here"
