"""Packs a static command into a container image: image.py VERSION MACHINE COMMAND LICENCES OUTPUT

The archive is an OCI image layout (image-spec 1.1), and has Docker's own manifest.json beside it, so that older versions of
`docker load` read it as well. Every date is SOURCE_DATE_EPOCH.
"""

import gzip
import hashlib
import io
import json
import os
import sys
import tarfile
from datetime import datetime, timezone

USER = 65532
NAME = "sealgate"
DATA = "var/lib/sealgate"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
EPOCH = int(os.environ["SOURCE_DATE_EPOCH"])


def member(name, kind=tarfile.REGTYPE, mode=0o644, owner=0, size=0):
    made = tarfile.TarInfo(name)
    made.type, made.mode, made.uid, made.gid, made.size, made.mtime = kind, mode, owner, owner, size, EPOCH
    return made


def tar(members):
    """The bytes of an archive with these members, each with its content or None."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for made, content in members:
            if content is not None:
                made.size = len(content)
            archive.addfile(made, io.BytesIO(content or b""))
    return buffer.getvalue()


def layer(command, licences):
    def folder(name, mode=0o755, owner=0):
        return member(name, tarfile.DIRTYPE, mode, owner), None

    return tar(
        [
            folder("etc"),
            (member("etc/group"), f"{NAME}:x:{USER}:\n".encode()),
            (member("etc/passwd"), f"{NAME}:x:{USER}:{USER}:Sealgate:/{DATA}:/nonexistent\n".encode()),
            folder("tmp", 0o1777),
            folder("usr"),
            folder("usr/bin"),
            (member("usr/bin/sealgate", mode=0o755), command),
            folder("usr/share"),
            folder("usr/share/licenses"),
            (member("usr/share/licenses/THIRD-PARTY-LICENSES"), licences),
            folder("var"),
            folder("var/lib"),
            folder(DATA, 0o700, USER),
        ]
    )


def config(version, architecture, layer_digest):
    created = datetime.fromtimestamp(EPOCH, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    second = 1_000_000_000
    return {
        "created": created,
        "architecture": architecture,
        "os": "linux",
        "config": {
            "User": f"{USER}:{USER}",
            "ExposedPorts": {"5000/tcp": {}},
            "Env": [
                "PATH=/usr/bin",
                f"HOME=/{DATA}",
                f"SEALGATE_DATA_DIR=/{DATA}",
                "SEALGATE_LISTEN=0.0.0.0:5000",
                "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt",
            ],
            "Entrypoint": ["/usr/bin/sealgate"],
            "Cmd": ["serve"],
            "Volumes": {f"/{DATA}": {}},
            "WorkingDir": f"/{DATA}",
            "StopSignal": "SIGTERM",
            # Not part of OCI's config, but Docker and Podman know it.
            "Healthcheck": {
                "Test": ["CMD", "/usr/bin/sealgate", "healthcheck"],
                "Interval": 10 * second,
                "Timeout": 6 * second,
                "StartPeriod": 5 * second,
                "Retries": 3,
            },
            "Labels": {
                "org.opencontainers.image.title": NAME,
                "org.opencontainers.image.version": version,
                "org.opencontainers.image.licenses": "MIT",
            },
        },
        "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
        "history": [{"created": created, "created_by": "make dist"}],
    }


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def encoded(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def main(version, machine, command, licences, output):
    blobs = {}

    def blob(media_type, content, **more):
        blobs[digest(content)] = content
        return {"mediaType": media_type, "digest": digest(content), "size": len(content)} | more

    oci = "application/vnd.oci.image."
    with open(command, "rb") as opened, open(licences, "rb") as text:
        unpacked = layer(opened.read(), text.read())
    packed = blob(oci + "layer.v1.tar+gzip", gzip.compress(unpacked, 9, mtime=0))
    architecture = ARCHITECTURES[machine]
    made = blob(oci + "config.v1+json", encoded(config(version, architecture, digest(unpacked))))
    manifest = {"schemaVersion": 2, "mediaType": oci + "manifest.v1+json", "config": made, "layers": [packed]}
    names = {
        "io.containerd.image.name": f"docker.io/library/{NAME}:{version}",
        "org.opencontainers.image.ref.name": version,
    }
    platform = {"architecture": architecture, "os": "linux"}
    listed = blob(manifest["mediaType"], encoded(manifest), annotations=names, platform=platform)
    index = {"schemaVersion": 2, "mediaType": oci + "index.v1+json", "manifests": [listed]}

    def path(found):
        return "blobs/" + found["digest"].replace(":", "/")

    dockers = [{"Config": path(made), "RepoTags": [f"{NAME}:{version}"], "Layers": [path(packed)]}]
    members = [(member(name, tarfile.DIRTYPE, 0o755), None) for name in ("blobs", "blobs/sha256")]
    members += [(member("blobs/" + name.replace(":", "/")), content) for name, content in sorted(blobs.items())]
    members += [(member("index.json"), encoded(index)), (member("manifest.json"), encoded(dockers))]
    members += [(member("oci-layout"), encoded({"imageLayoutVersion": "1.0.0"}))]
    with open(output, "wb") as opened:
        opened.write(tar(members))


if __name__ == "__main__":
    main(*sys.argv[1:])
