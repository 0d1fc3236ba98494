"""Everything that is built from Go modules: packages, flags, and how long it takes.

The flags are part of the compiler's own cache key: two builds with the same ones share their work.
"""

from dataclasses import dataclass, field, replace

PULUMI = "3.250.0"
KIND = "0.32.0"
KUBERNETES = "1.36.3"
CONTAINERD = "2.3.1"
KEDA_VERSION = "2.20.2"


@dataclass(frozen=True, kw_only=True)
class Build:
    """One `go build`: packages of one module under tools/go, linked into one folder."""

    module: str
    packages: tuple[str, ...]
    output: str = ""  # the executable's name; none: named after the packages
    ldflags: str = "-s -w"
    tags: str = ""
    # seconds on two idle cores with nothing compiled before; no part of the cache's key
    expected: float = field(repr=False)

    @property
    def title(self) -> str:
        return self.output or ", ".join(package.rsplit("/", 1)[-1] for package in self.packages)


_VERSION = "k8s.io/component-base/version"
_CONTAINERD = "github.com/containerd/containerd/v2"

ENGINE = Build(
    module="pulumi",
    packages=("github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",),
    output="pulumi",
    ldflags=f"-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{PULUMI}",
    expected=340,
)
LANGUAGE_HOST = Build(
    module="pulumi",
    packages=("./langpython",),
    output="pulumi-language-python",
    ldflags=ENGINE.ldflags,
    expected=6,  # after the engine, which compiles most of it
)
KIND_COMMAND = Build(module="kind", packages=("sigs.k8s.io/kind",), output="kind", expected=39)
# only for the tests, which check our signatures by it
COSIGN = Build(
    module="cosign",
    packages=("github.com/sigstore/cosign/v2/cmd/cosign",),
    output="cosign",
    expected=240,
)
_OPERATOR = Build(
    module="keda",  # tools/keda has it elsewhere: it is KEDA's own
    packages=("./cmd/operator",),
    output="keda",
    ldflags=f"-s -w -X github.com/kedacore/keda/v2/version.Version={KEDA_VERSION}",
    tags="timetzdata",  # its own image has them as files
    expected=300,
)
# only for the long journeys
KEDA = (
    _OPERATOR,
    replace(_OPERATOR, packages=("./cmd/adapter",), output="keda-adapter", expected=60),
)
NODE = (
    Build(
        module="kube",
        packages=(".",),
        output="kube",
        ldflags=(
            f"-s -w -X {_VERSION}.gitVersion=v{KUBERNETES} -X {_VERSION}.gitMajor=1 "
            f"-X {_VERSION}.gitMinor=36 -X {_VERSION}.gitTreeState=clean "
            f"-X {_VERSION}.buildDate=1970-01-01T00:00:00Z"
        ),
        expected=585,
    ),
    Build(module="kube", packages=("./coredns", "./pause"), expected=15),
    # by itself: it names a dependency in another case than the others do
    Build(module="kube", packages=("github.com/rancher/local-path-provisioner",), expected=7),
    Build(
        module="containerd",
        packages=tuple(
            f"{_CONTAINERD}/cmd/{name}" for name in ("containerd", "ctr", "containerd-shim-runc-v2")
        ),
        tags="no_aufs no_zfs no_btrfs no_devmapper no_tracing urfave_cli_no_docs",
        ldflags=f"-s -w -X {_CONTAINERD}/version.Version={CONTAINERD}",
        expected=82,
    ),
)
