"""Build the images that no reachable registry has, load them, and write machine.json."""

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from inspect import getsource
from pathlib import Path

from tools.binaries import kind_files, node_binaries
from tools.node.archive import SEARCH_PATH, ImageSpec, write_archive
from tools.paths import bin_dir, cache_dir, home_dir, machine_file
from tools.progress import stage
from tools.sealed.machine import (
    MissingOnMachine,
    has_cgroup_v2,
    has_sys_resource,
    install_packages,
    is_root,
)

HERE = Path(__file__).parent
KUBERNETES = "v1.36.3"
NODE_IMAGE = f"localhost/stackyard/node:{KUBERNETES}"
BASE_IMAGE = "localhost/stackyard/python:3.11-bookworm"
REGISTRY_IMAGE = "localhost/stackyard/registry:2.8"

NODE_PACKAGES = (
    "systemd,systemd-sysv,dbus,conntrack,iptables,nftables,iproute2,ethtool,util-linux,mount,kmod,"
    "libseccomp2,pigz,e2fsprogs,bash,ca-certificates,curl,jq,procps,socat,ebtables,runc,"
    "containernetworking-plugins,netbase,hostname,busybox"
)
BASE_PACKAGES = "python3,ca-certificates,libgomp1,libstdc++6,tzdata"
MERGED_USR = "/usr/share/mmdebstrap/hooks/merged-usr"
LEFT_OUT = ("share/man", "share/doc", "share/locale", "share/info", "share/lintian")

# what kind v0.32.0 would pull for this Kubernetes (kind's pkg/build/nodeimage/const_*.go, kubeadm)
CONTROL_PLANE = {
    "etcd": "registry.k8s.io/etcd:3.6.8-0",
    "coredns": "registry.k8s.io/coredns/coredns:v1.14.2",
    "pause": "registry.k8s.io/pause:3.10",
    "kindnetd": "docker.io/kindest/kindnetd:v20260528-9350166c",
    "provisioner": "docker.io/kindest/local-path-provisioner:v20260521-9fb22683",
    "helper": "docker.io/kindest/local-path-helper:v20260131-7181c60a",
}


def docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the Docker that tools.sealed.docker.ensure() provided."""
    client = bin_dir() / "docker"
    command = [str(client) if client.exists() else "docker", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def ensure_images(node: str, base: str, registry: str, qdrant: str) -> dict[str, object]:
    """Make the four public images, or what stands in for them, usable; return machine.json.

    A public image that Docker has or can pull is used as it is. Where one cannot be pulled, no
    further one is tried: the first refusal costs seconds, four would cost minutes.
    """
    if all(_has(image) or _pulls(image) for image in (registry, base, node, qdrant)):
        facts = _facts(built=False)
    elif is_root():
        install_packages(["mmdebstrap"])
        for recipe in _recipes():
            _ensure(recipe)
        facts = _facts(built=True)
    else:
        message = (
            f"{registry} cannot be pulled, and building the images here needs root\n"
            "hint: give Docker access to a registry, run as root, or run: stackyard serve"
        )
        raise MissingOnMachine(message)
    target = machine_file()
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_suffix(".new")
    temporary.write_text(json.dumps(facts, indent=2) + "\n")
    temporary.replace(target)
    return facts


@dataclass(frozen=True)
class Recipe:
    """How one image is built, and the key of all that goes into it."""

    image: str
    key: str
    expected: float  # seconds on two idle cores
    build: Callable[[Path], None]

    @property
    def tagged(self) -> str:
        return f"{self.image}-{self.key}"


def _recipes() -> list[Recipe]:
    binaries = node_binaries()
    base = _hash(BASE_PACKAGES, *LEFT_OUT, *_sources(_bootstrap, _build_base))
    node = _hash(
        *(NODE_PACKAGES, *LEFT_OUT, *CONTROL_PLANE.values()),
        *(str(has_sys_resource()), binaries.name),
        *_sources(_bootstrap, _build_node, _server_tarball),
        *(HERE / name for name in ("archive.py", "layers.sh", "rootfs.sh")),
    )
    return [
        Recipe(BASE_IMAGE, base, 25, _build_base),
        Recipe(REGISTRY_IMAGE, _hash(base, getsource(_build_registry)), 5, _build_registry),
        Recipe(NODE_IMAGE, node, 75, lambda work: _build_node(work, binaries)),
    ]


def _sources(*steps: Callable[..., object]) -> list[str]:
    return [getsource(step) for step in steps]


def _facts(*, built: bool) -> dict[str, object]:
    cni = home_dir() / "cni"  # not in the clone: the cluster outlives it
    if built:
        shutil.copytree(HERE / "cni", cni, dirs_exist_ok=True)
    return {
        "nodeImage": NODE_IMAGE if built else None,
        "baseImage": BASE_IMAGE if built else None,
        "registryImage": REGISTRY_IMAGE if built else None,
        "qdrantImage": "edge" if built else None,
        # kindnetd is on no package registry; without it nothing enforces NetworkPolicy
        "cniDirectory": str(cni) if built else None,
        "cgroupV1": not has_cgroup_v2(),
        "networkPolicyEnforced": not built,
    }


def _has(image: str) -> bool:
    return docker("image", "inspect", image).returncode == 0


def _pulls(image: str) -> bool:
    return docker("pull", "-q", image).returncode == 0


def _hash(*parts: str | Path) -> str:
    digest = hashlib.sha256(KUBERNETES.encode())
    for part in parts:
        digest.update(part.read_bytes() if isinstance(part, Path) else part.encode())
    return digest.hexdigest()[:12]


def _ensure(recipe: Recipe) -> None:
    """Have an image of this content in Docker: there, loaded from the cache, or built."""
    image, tagged = recipe.image, recipe.tagged
    if not _has(tagged):
        name = image.rsplit("/", 1)[1].split(":")[0]
        kept = cache_dir() / "images" / f"{name}-{recipe.key}.tar"
        if kept.exists():
            with stage(f"Loading {image}", expected=15):
                loaded = docker("load", "-i", str(kept))
            if loaded.returncode:
                kept.unlink()  # cut by a crash or a full disk
        if not _has(tagged):
            kept.parent.mkdir(parents=True, exist_ok=True)
            with (
                stage(f"Building {image}", expected=recipe.expected),
                tempfile.TemporaryDirectory(dir=kept.parent) as work,
            ):
                recipe.build(Path(work))
                _checked(docker("tag", image, tagged))
                # saved as one file, so that another Docker or a wiped one needs no build
                _checked(docker("save", "-o", str(Path(work, "image.tar")), image, tagged))
                Path(work, "image.tar").replace(kept)
    _checked(docker("tag", tagged, image))


def _checked(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode:
        command = " ".join(done.args[:4])
        message = f"`{command} ...` failed: {(done.stderr or done.stdout).strip()[-800:]}"
        raise RuntimeError(message)


def _run(*command: str | Path, **environment: str) -> None:
    done = subprocess.run(
        [str(part) for part in command],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    _checked(done)


def _bootstrap(target: Path, packages: str) -> None:
    """Make a Debian 12 root file system as a tar."""
    slim = [f"--dpkgopt=path-exclude=/usr/{folder}/*" for folder in LEFT_OUT]
    _run(
        *("mmdebstrap", "--quiet", "--variant=minbase"),
        # without usr-is-merged the package usrmerge comes, and with it 50 MB of perl
        *(f"--hook-dir={MERGED_USR}", f"--include=usr-is-merged,{packages}"),
        '--aptopt=APT::Install-Recommends "false"',
        *slim,
        *("bookworm", target),
    )


def _load(work: Path, images: list[ImageSpec]) -> None:
    write_archive(work / "archive.tar", images)
    _checked(docker("load", "-i", str(work / "archive.tar")))
    (work / "archive.tar").unlink()


def _build_base(work: Path) -> None:
    """Debian's Python on a minimal Debian, where python:3.11-slim cannot be pulled."""
    _bootstrap(work / "base.tar", BASE_PACKAGES)
    spec = ImageSpec(
        tags=[BASE_IMAGE],
        layers=[work / "base.tar"],
        config={"Env": [SEARCH_PATH, "LANG=C.UTF-8"], "Cmd": ["python3"]},
    )
    _load(work, [spec])


def _build_registry(work: Path) -> None:
    """Debian's docker-registry on the Python base, where the registry image cannot be pulled."""
    context = work / "registry"
    context.mkdir()
    download = f"cd {work} && apt-get download -qq docker-registry"
    try:
        _run("sh", "-c", download)
    except RuntimeError:  # a machine that never updated its lists
        _run("apt-get", "update", "-qq")
        _run("sh", "-c", download)
    _run("sh", "-c", f"dpkg -x {work}/docker-registry_*.deb {work}/unpacked")
    shutil.copy(work / "unpacked/usr/bin/docker-registry", context / "docker-registry")
    (context / "config.yml").write_text(
        "version: 0.1\n"
        "log: {level: warn, accesslog: {disabled: true}}\n"
        "storage: {filesystem: {rootdirectory: /var/lib/registry}, delete: {enabled: true}}\n"
        "http: {addr: ':5000'}\n"
    )
    (context / "Dockerfile").write_text(
        f"FROM {BASE_IMAGE}\n"
        "COPY docker-registry /usr/bin/docker-registry\n"
        "COPY config.yml /etc/docker/registry/config.yml\n"
        "VOLUME /var/lib/registry\n"
        "EXPOSE 5000\n"
        'ENTRYPOINT ["/usr/bin/docker-registry"]\n'
        'CMD ["serve", "/etc/docker/registry/config.yml"]\n'
    )
    _checked(docker("build", "-q", "-t", REGISTRY_IMAGE, str(context)))


def _build_node(work: Path, binaries: Path) -> None:
    """Run the real `kind build node-image` offline, on a look-alike of the server tarball.

    Every image that kind would pull is packed into kube-apiserver.tar, so kind counts it as built.
    """
    rootfs, layers = work / "rootfs", work / "layers"
    _bootstrap(work / "debian.tar", NODE_PACKAGES)
    clamp = "0" if has_sys_resource() else "1"
    script = (HERE / "rootfs.sh", work / "debian.tar", kind_files(), binaries, rootfs)
    _run("bash", *script, CLAMP_OOM_SCORE=clamp)
    _run("bash", HERE / "layers.sh", rootfs, binaries, layers)
    base = ImageSpec(
        tags=["localhost/stackyard/node-base:1"],
        layers=[work / "node.tar"],
        config={
            "Env": ["container=docker", SEARCH_PATH],
            "StopSignal": "SIGRTMIN+3",
            "Entrypoint": ["/usr/local/bin/entrypoint", "/sbin/init"],
        },
    )
    _run("tar", "-C", rootfs, "--numeric-owner", "-cf", work / "node.tar", ".")
    _load(work, [base])
    server = _server_tarball(work, layers)
    kind = [str(bin_dir() / "kind"), "build", "node-image", "--type", "file", str(server)]
    images = ["--base-image", base.tags[0], "--image", NODE_IMAGE]
    _run(*kind, *images, PATH=f"{bin_dir()}{os.pathsep}{os.environ['PATH']}")
    docker("rmi", base.tags[0])


def _server_tarball(work: Path, layers: Path) -> Path:
    """Write what `kind build node-image --type file` expects: the server tarball."""
    binaries = work / "kubernetes/server/bin"
    binaries.mkdir(parents=True)
    (work / "kubernetes/version").write_text(f"{KUBERNETES}\n")
    for name in ("kubeadm", "kubelet", "kubectl"):
        (binaries / name).write_text(f'#!/bin/sh\nexec /usr/local/bin/kube {name} "$@"\n')
        (binaries / name).chmod(0o755)
    system, kube = layers / "sys.tar", layers / "kube.tar"

    def part(tag: str, *tars: Path, **config: object) -> ImageSpec:
        return ImageSpec(tags=[tag], layers=list(tars), config={"Env": [SEARCH_PATH], **config})

    def component(name: str) -> ImageSpec:
        tag = f"registry.k8s.io/kube-{name}:{KUBERNETES}"
        return part(tag, system, kube, Labels={"component": name})

    c = CONTROL_PLANE
    write_archive(
        binaries / "kube-apiserver.tar",
        [
            component("apiserver"),
            part(c["etcd"], system, kube, Labels={"component": "etcd"}),
            part(c["coredns"], layers / "coredns.tar", Entrypoint=["/coredns"]),
            part(c["pause"], layers / "pause.tar", Entrypoint=["/pause"]),
            part(c["kindnetd"], system),
            part(c["provisioner"], layers / "lpp.tar"),
            part(c["helper"], system),
        ],
    )
    for name in ("controller-manager", "scheduler", "proxy"):
        write_archive(binaries / f"kube-{name}.tar", [component(name)])
    with tarfile.open(work / "server.tar.gz", "w:gz", compresslevel=1) as tar:
        tar.add(work / "kubernetes", "kubernetes")
    return work / "server.tar.gz"
