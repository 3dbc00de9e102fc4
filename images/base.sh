#!/usr/bin/env bash
# base.sh OUT CACHE: the root file system below .NET, of Debian 12's packages and without a shell: C and C++ libraries, OpenSSL,
# certificates, time zones, and the user nonroot (65532). Needs no root. Debian's libstdc++ serves libtorch; the worker mends the one
# library that asks for a newer one (runtime/AiFabric.Engine/Interop/TorchRuntime.cs).
set -euo pipefail
packages=(libc6 libgcc-s1 libstdc++6 libssl3 ca-certificates tzdata)
out=$1 cache=$2
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
for package in "${packages[@]}"; do
  compgen -G "$cache/${package}_*.deb" >/dev/null && continue
  (cd "$cache" && { apt-get download -qq "$package" 2>/dev/null || { apt-get update -qq && apt-get download -qq "$package"; }; })
done

rm -rf "$out"
mkdir -p "$out"
for package in "${packages[@]}"; do dpkg -x "$cache/${package}"_*.deb "$out"; done

# Certificates as update-ca-certificates and the package openssl would lay them out.
mkdir -p "$out/etc/ssl/certs" "$out/usr/lib/ssl"
(cd "$out/usr/share/ca-certificates/mozilla" && LC_ALL=C ls ./*.crt | xargs cat) >"$out/etc/ssl/certs/ca-certificates.crt"
ln -s /etc/ssl/certs "$out/usr/lib/ssl/certs"
ln -s /etc/ssl/certs/ca-certificates.crt "$out/usr/lib/ssl/cert.pem"

lib=$out/usr/lib/x86_64-linux-gnu
rm -rf "$lib"/{gconv,audit,engines-3,ossl-modules} "$out"/usr/share/{ca-certificates,lintian,gcc,gdb} "$out"/usr/share/zoneinfo/{posix,right} "$out"/usr/{sbin,bin} "$out"/sbin \
  "$out"/usr/share/man "$out"/etc/ca-certificates* "$out"/var "$out/usr/lib/x86_64-linux-gnu/libmvec.so.1" "$out/lib/x86_64-linux-gnu/libmvec.so.1"
find "$out/usr/share/doc" -type f ! -name copyright -delete
find "$out/usr/share/doc" -type l -delete
find "$out" -depth -type d -empty -delete

mkdir -p "$out"/{app,etc,tmp,var/lib,proc,sys,dev}
chmod 1777 "$out/tmp"
printf 'root:x:0:0:root:/:/nonexistent\nnonroot:x:65532:65532:nonroot:/tmp:/nonexistent\n' >"$out/etc/passwd"
printf 'root:x:0:\nnonroot:x:65532:\n' >"$out/etc/group"
printf 'hosts: files dns\n' >"$out/etc/nsswitch.conf"
