"""What the kind node is made of, built from Go modules."""

from pathlib import Path

from tools import builds, golang


def node_binaries() -> Path:
    """Return a folder with kube (etcd and all of Kubernetes in one), coredns, pause,
    local-path-provisioner, containerd, ctr and containerd-shim-runc-v2.
    """
    return golang.recipe("node", *builds.NODE).ensure().folder


def kind_files() -> Path:
    """Return the files that kind's base image is made with, out of kind's own module."""
    return golang.module_folder("kind", "sigs.k8s.io/kind") / "images/base/files"


def cosign() -> Path:
    """Return cosign, by which the tests check the signatures that bundles are given."""
    return golang.recipe("cosign", builds.COSIGN).ensure().folder / "cosign"
