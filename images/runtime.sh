#!/usr/bin/env bash
# runtime.sh OUT: this machine's .NET runtime with ASP.NET Core, without what no component uses: parts for debuggers and tracing, other
# garbage collectors, Visual Basic, and ASP.NET's frameworks for pages. The runtime looks for a file only when it is asked for.
set -euo pipefail
out=$1
newest() { dotnet --list-runtimes | awk -v name="$1" '$1 == name && $2 ~ /^10\./ {gsub(/[][]/, "", $3); print $3 "/" $2}' | sort -V | tail -n 1; }
core=$(newest Microsoft.NETCore.App) web=$(newest Microsoft.AspNetCore.App)
[ -n "$core" ] && [ -n "$web" ] || { echo "the .NET 10 runtimes Microsoft.NETCore.App and Microsoft.AspNetCore.App are not installed" >&2; exit 1; }

rm -rf "$out"
mkdir -p "$out"/{host/fxr,shared/Microsoft.NETCore.App,shared/Microsoft.AspNetCore.App}
cp -r "$(dirname "$core")/../../host/fxr/$(basename "$core")" "$out/host/fxr/"
cp -r "$core" "$out/shared/Microsoft.NETCore.App/"
cp -r "$web" "$out/shared/Microsoft.AspNetCore.App/"
(cd "$out"/shared/Microsoft.NETCore.App/*/ && rm -f createdump lib{mscordaccore,mscordbi,coreclrtraceptprovider,clrgc,clrgcexp}.so Microsoft.VisualBasic*.dll)
(cd "$out"/shared/Microsoft.AspNetCore.App/*/ && rm -f ./*.xml Microsoft.AspNetCore.{Components,Identity,Mvc,Razor,SignalR}*.dll)
