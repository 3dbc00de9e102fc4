#!/usr/bin/env python3
"""Makes an image (a docker-archive tar, for `ctr images import` or `docker load`) of folders, without root, docker or a registry.

mkimage.py OUT.tar NAME:TAG LAYER... [--entrypoint JSON] [--env K=V]... [--label K=V]... [--user U] [--workdir D]

Each LAYER is DIR or DIR:/prefix and becomes one layer, in this order. The same content gives the same bytes: files belong to root, have
no times, and are readable by everyone (executable where their owner may execute them), so images that share a folder share a layer.
"""
import argparse
import hashlib
import io
import json
import os
import stat
import tarfile
import tempfile


def normal(entry):
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = "root"
    sticky = entry.mode & stat.S_ISVTX
    executable = entry.isdir() or entry.mode & stat.S_IXUSR
    entry.mode = 0o1777 if sticky else 0o755 if executable else 0o644
    return entry


def write_layer(layer, stream):
    folder, _, prefix = layer.partition(":")
    prefix = prefix.strip("/")
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for depth in range(prefix.count("/") + 1 if prefix else 0):
            parent = tarfile.TarInfo("/".join(prefix.split("/")[:depth + 1]))
            parent.type, parent.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(normal(parent))
        for name in sorted(os.listdir(folder)):
            tar.add(os.path.join(folder, name), os.path.join(prefix, name), filter=normal)  # sorts what is below
    stream.seek(0)
    return hashlib.file_digest(stream, "sha256").hexdigest()


def add(tar, name, size, stream):
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o644
    tar.addfile(entry, stream)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("name")
    parser.add_argument("layer", nargs="+")
    parser.add_argument("--entrypoint", type=json.loads, default=[])
    parser.add_argument("--env", action="append", default=[])
    parser.add_argument("--label", action="append", default=[])
    parser.add_argument("--user", default="")
    parser.add_argument("--workdir", default="/")
    options = parser.parse_args()

    digests = []
    with tarfile.open(options.out + ".new", "w", format=tarfile.GNU_FORMAT) as tar:
        for layer in options.layer:
            with tempfile.TemporaryFile(dir=os.path.dirname(os.path.abspath(options.out))) as stream:
                digests.append(write_layer(layer, stream))
                size = stream.seek(0, os.SEEK_END)
                stream.seek(0)
                add(tar, digests[-1] + "/layer.tar", size, stream)
        config = json.dumps({
            "architecture": "amd64", "os": "linux", "created": "1970-01-01T00:00:00Z",
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest for digest in digests]},
            "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "mkimage.py"} for _ in digests],
            "config": {
                "Entrypoint": options.entrypoint, "WorkingDir": options.workdir, "User": options.user,
                "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"] + options.env,
                "Labels": dict(label.split("=", 1) for label in options.label),
            },
        }).encode()
        config_name = hashlib.sha256(config).hexdigest() + ".json"
        add(tar, config_name, len(config), io.BytesIO(config))
        manifest = json.dumps([{"Config": config_name, "RepoTags": [options.name], "Layers": [d + "/layer.tar" for d in digests]}]).encode()
        add(tar, "manifest.json", len(manifest), io.BytesIO(manifest))
    os.replace(options.out + ".new", options.out)


main()
