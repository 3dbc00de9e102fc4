#!/usr/bin/env bash
# Builds and runs the named test projects one after another and ends with "N passed, N failed, N skipped".
# SUITE=e2e or SUITE=chaos runs the tests with that Suite trait (they need a real control plane); without it those are left out.
# XUNIT_ARGS are passed on to the runner, such as "-class *RoutingTableTests". Non-zero when a test failed, a runner broke, or nothing ran.
set -uo pipefail
cd "$(dirname "$0")/.."
source tests/prepare.sh
case ${SUITE:=} in
  "") traits=(-trait- Suite=e2e -trait- Suite=chaos) ;;
  *) prepare_real_cluster && traits=(-trait "Suite=$SUITE") || exit 1 ;;
esac

results=artifacts/test-results
mkdir -p "$results"
passed=0 failed=0 skipped=0
for project in "$@"; do
  log=$results/$project${SUITE:+-$SUITE}.log
  dotnet build "tests/$project" -c Release -v q -nologo || { echo "$project does not build"; exit 1; }
  exe=$(ls -d artifacts/bin/"$project"/release*/"$project" | head -n 1)
  "$exe" -noColor "${traits[@]}" ${XUNIT_ARGS:-} 2>&1 | grep -vE '^\s*$' | tee "$log"
  line=$(grep -E "^ *$project +Total:" "$log" | tail -n 1)
  if [ -z "$line" ]; then
    echo "$project: the runner ended without a summary"
    failed=$((failed + 1))
    continue
  fi
  count() { sed -nE "s/.*$1: ([0-9]+).*/\1/p" <<<"$line"; }
  bad=$(($(count Failed) + $(count Errors)))
  failed=$((failed + bad)) skipped=$((skipped + $(count Skipped)))
  passed=$((passed + $(count Total) - $(count Failed) - $(count Skipped)))
done
printf '%s %s %s\n' "$passed" "$failed" "$skipped" >"$results/$1${SUITE:+-$SUITE}.counts"
for project in "$@"; do
  # What failed, and why, for who reads the end alone.
  grep -hE -A 12 '\[FAIL\]$' "$results/$project${SUITE:+-$SUITE}.log" | cut -c 1-400
done >"$results/$1${SUITE:+-$SUITE}.failures"
cat "$results/$1${SUITE:+-$SUITE}.failures"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
