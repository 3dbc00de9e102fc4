#!/usr/bin/env bash
# publish.sh PROJECT EXECUTABLE OUT [TORCH_VARIANT]: what an image holds of a component: OUT/app, and for the worker OUT/libtorch.
# Shared by build.sh and the Containerfiles. Builds in a folder of its own, for one runtime, compiled ahead of time (ForImage).
set -euo pipefail
cd "$(dirname "$0")/.."
project=$1 executable=$2 out=$(mkdir -p "$3" && cd "$3" && pwd) torch=${4:-cpu}
case $torch in cpu|cuda) ;; *) echo "TORCH_VARIANT '$torch' must be cpu or cuda" >&2; exit 1 ;; esac

rm -rf "$out/app" "$out/libtorch"
dotnet publish "$(ls -d {operator,runtime}/"$project" 2>/dev/null)" -c Release -v q -nologo -p:ForImage=true -p:TorchVariant="$torch" \
  -p:ArtifactsPath="$PWD/artifacts/images/build-$torch" -o "$out/app"
[ -e "$out/app/$executable" ] || mv "$out/app/$project" "$out/app/$executable" # the host finds its assembly by the name inside it
rm -f "$out"/app/*.pdb "$out"/app/*.staticwebassets.endpoints.json "$out"/app/web.config "$out"/app/createdump

if [ -e "$out/app/libtorch_cpu.so" ]; then
  # What libLibTorchSharp.so needs; the other libraries of the package serve Python and PyTorch's own tests.
  mkdir -p "$out/libtorch"
  mv "$out"/app/{libc10,libtorch,libtorch_cpu}.so "$out"/app/libgomp-*.so.* "$out/libtorch/"
  rm -f "$out"/app/lib{aoti_custom_ops,backend_with_compiler,jitbackend_test,nnapi_backend,shm,torch_global_deps,torch_python,torchbind_test}.so
fi
