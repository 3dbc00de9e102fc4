#!/usr/bin/env bash
# Builds the images of operator, gateway and worker (cpu) into artifacts/images/*.tar without root, docker or a registry, from the .NET SDK of
# this machine and Debian 12's packages. Fails when an image is over its limit. `ctr -n k8s.io images import FILE` or `docker load -i FILE`.
set -euo pipefail
cd "$(dirname "$0")/.."
umask 022
out=artifacts/images work=artifacts/images/work
version=$(sed -n 's:.*<Version>\(.*\)</Version>.*:\1:p' Directory.Build.props)
mkdir -p "$work"

images/base.sh "$work/base" "${AIFABRIC_DEBS:-$HOME/.cache/aifabric/debs}"
images/runtime.sh "$work/dotnet"

# image NAME LIMIT_MB TITLE [more layers]
image() {
  local name=$1 limit=$2 title=$3; shift 3
  python3 images/mkimage.py "$out/$name.tar" "docker.io/aifabric/$name:$version" "$work/base" "$work/dotnet:/usr/share/dotnet" "$@" "$work/$name/app:/app" \
    --entrypoint "[\"/app/aifabric-$name\"]" --user 65532:65532 --workdir /app \
    --env DOTNET_EnableDiagnostics=0 --env DOTNET_RUNNING_IN_CONTAINER=true --env HOME=/tmp \
    --label org.opencontainers.image.title="aifabric-$name" --label org.opencontainers.image.description="$title" \
    --label org.opencontainers.image.version="$version" --label org.opencontainers.image.licenses=Apache-2.0
  local megabytes=$(($(stat -c %s "$out/$name.tar") / 1000000))
  printf '%-8s %4d MB (limit %d MB) %s\n' "$name" "$megabytes" "$limit" "$out/$name.tar"
  [ "$megabytes" -lt "$limit" ] || { echo "the image of $name is over its limit" >&2; exit 1; }
}

images/publish.sh all "$work"

# The demo model and the samples' data, so that samples/kubernetes works on any cluster.
rm -rf "$work/content"
mkdir -p "$work/content"/{models,samples}
cp -r runtime/models/aifabric-demo-5m "$work/content/models/"
cp -r samples/finetune "$work/content/samples/"

image operator 130 "AiFabric's operator"
image gateway 145 "AiFabric's gateway, which speaks the OpenAI protocol"
image worker 700 "AiFabric's worker: serves and finetunes a language model (CPU)" "$work/worker/libtorch:/app" "$work/content:/opt/aifabric"
