"""The pinned tools: which versions on PATH are good, the release, and what else makes each."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tools import builds, golang, wheels
from tools.builds import KIND, KUBERNETES, PULUMI
from tools.cache import Recipe
from tools.downloads import Release

HELM = "4.2.3"
PULUMI_HOST = ("pulumi-language-python", "pulumi-language-python-exec")
PULUMI_SHIM = "pulumi-resource-pulumi-python"  # runs dynamic resources
PULUMI_SDK = "github.com/pulumi/pulumi/sdk/v3"
GITHUB = "https://github.com"


@dataclass(frozen=True, kw_only=True)
class Tool:
    """One tool of one pinned version."""

    version: str
    version_command: tuple[str, ...]
    oldest: tuple[int, ...]  # that is good on PATH
    newest: tuple[int, ...]  # the first one that is too new
    release: Release
    package: Callable[[], Recipe]
    beside: tuple[str, ...] = ()  # further executables that come with it

    @property
    def accepted(self) -> str:
        """Return the versions that are good on PATH, for people."""
        oldest, newest = (".".join(map(str, each)) for each in (self.oldest, self.newest))
        return f">= {oldest}, < {newest}"


def _python_parts(folder: Path) -> None:
    """Take what is Python and shell out of Pulumi's own module."""
    python = golang.module_folder("pulumi", PULUMI_SDK) / "python"
    for file in (python / "cmd" / PULUMI_HOST[1], python / "dist" / PULUMI_SHIM):
        shutil.copyfile(file, folder / file.name)
        (folder / file.name).chmod(0o755)


# The sha256 of kind, kubectl and helm are those that their projects publish, as many repositories
# quote them alike. Pulumi's was not to be found: there the published checksum file is used.
TOOLS: Mapping[str, Tool] = {
    "kind": Tool(
        version=KIND,
        version_command=("kind", "version"),
        oldest=(0, 32),  # the node image is built by this minor version's rules
        newest=(0, 33),
        release=Release(
            url=f"{GITHUB}/kubernetes-sigs/kind/releases/download/v{KIND}/kind-linux-amd64",
            sha256="50030de23cf40a18505f20426f6a8506bedf13c6e509244bd1fa9463721b0f54",
        ),
        package=lambda: golang.recipe("kind", builds.KIND_COMMAND),
    ),
    "kubectl": Tool(
        version=KUBERNETES,
        version_command=("kubectl", "version", "--client"),
        oldest=(1, 35),  # one minor version beside the API server's on either side
        newest=(1, 38),
        release=Release(
            url=f"https://dl.k8s.io/release/v{KUBERNETES}/bin/linux/amd64/kubectl",
            sha256="ebbd080e7c2e275093b55915722043257eb24004363e20acb3c4d71919f88336",
        ),
        package=wheels.helm_and_kubectl,
    ),
    "helm": Tool(
        version=HELM,
        version_command=("helm", "version", "--short"),
        oldest=(3, 14),
        newest=(5,),
        release=Release(
            url=f"https://get.helm.sh/helm-v{HELM}-linux-amd64.tar.gz",
            sha256="e9b88b4ee95b18c706839c28d3a0220e5bc470e9cd9262410c90793c45ff8b7c",
            members=("linux-amd64/helm",),
        ),
        package=wheels.helm_and_kubectl,
    ),
    "pulumi": Tool(
        version=PULUMI,
        version_command=("pulumi", "version"),
        oldest=(3, 200),
        newest=(4,),
        release=Release(
            url=f"https://get.pulumi.com/releases/sdk/pulumi-v{PULUMI}-linux-x64.tar.gz",
            checksum_url=(
                f"{GITHUB}/pulumi/pulumi/releases/download/v{PULUMI}/pulumi-{PULUMI}-checksums.txt"
            ),
            members=tuple(f"pulumi/{name}" for name in ("pulumi", *PULUMI_HOST, PULUMI_SHIM)),
        ),
        package=lambda: golang.recipe(
            "pulumi", builds.ENGINE, builds.LANGUAGE_HOST, also=_python_parts
        ),
        beside=(*PULUMI_HOST, PULUMI_SHIM),
    ),
}
