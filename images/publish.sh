#!/usr/bin/env bash
# publish.sh COMPONENT OUT [TORCH_VARIANT]: what an image holds of operator, gateway, worker or all of them: OUT/COMPONENT/app, and
# OUT/worker/libtorch. Shared by build.sh and the Containerfiles. Builds in a folder of its own, for one runtime, compiled ahead of time (ForImage).
set -euo pipefail
cd "$(dirname "$0")/.."
component=$1 out=$(mkdir -p "$2" && cd "$2" && pwd) torch=${3:-cpu}
case $component in operator|gateway|worker) components=$component ;; all) components="operator gateway worker" ;; *) echo "no component '$component'" >&2; exit 1 ;; esac
case $torch in cpu|cuda) ;; *) echo "TORCH_VARIANT '$torch' must be cpu or cuda" >&2; exit 1 ;; esac

for name in $components; do rm -rf "$out/$name"; done
dotnet publish images/publish.proj -c Release -v q -nologo -p:Only="$component" -p:Out="$out" -p:ForImage=true -p:TorchVariant="$torch" \
  -p:ArtifactsPath="$PWD/artifacts/images/build-$torch"

for name in $components; do
  app=$out/$name/app
  # The host finds its assembly by the name inside it, so its own may change.
  [ -e "$app/aifabric-$name" ] || mv "$app/AiFabric.${name^}" "$app/aifabric-$name"
  rm -f "$app"/*.pdb "$app"/*.staticwebassets.endpoints.json "$app"/web.config "$app"/createdump
  [ -e "$app/libtorch_cpu.so" ] || continue
  # What libLibTorchSharp.so needs; the other libraries of the package serve Python and PyTorch's own tests.
  mkdir -p "$out/$name/libtorch"
  mv "$app"/{libc10,libtorch,libtorch_cpu}.so "$app"/libgomp-*.so.* "$out/$name/libtorch/"
  rm -f "$app"/lib{aoti_custom_ops,backend_with_compiler,jitbackend_test,nnapi_backend,shm,torch_global_deps,torch_python,torchbind_test}.so
done
