"""A whole `up` with nothing but the role that we publish for `cluster.scope: namespace`."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.team import Team, make_team
from tests.e2e.yard import ROOT, Yard

pytestmark = [pytest.mark.e2e, pytest.mark.long]

NAME = "tenant"
CONTEXT = f"kind-stackyard-{NAME}"  # the stand-in provider takes no other


@pytest.fixture(scope="module")
def tenant(yard: Yard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    folder = tmp_path_factory.mktemp(NAME)
    role = folder / "role.yaml"
    role.write_text(
        (ROOT / "examples/namespace-role.yaml").read_text().replace("-prod", f"-{NAME}")
    )
    yard.kubectl("apply", "-f", str(role))
    kubeconfig = identity(yard, folder)
    cluster = {"kubeconfig": str(kubeconfig), "context": CONTEXT, "scope": "namespace"}
    team = make_team(yard, folder, NAME, cluster=cluster)
    yield team
    team.stackyard("down", "--delete-data", "--yes")
    yard.kubectl("delete", "-f", str(role), "--wait=false")


def identity(yard: Yard, folder: Path) -> Path:
    """Write a kubeconfig that has the published account's token and nothing else."""
    admin = json.loads(yard.kubectl("config", "view", "--raw", "--minify", "-o", "json"))
    token = yard.kubectl("create", "token", "stackyard", "-n", f"rag-{NAME}", "--duration=2h")
    (cluster,) = admin["clusters"]
    user = {"name": NAME, "user": {"token": token.strip()}}
    context = {"name": CONTEXT, "context": {"cluster": cluster["name"], "user": NAME}}
    path = folder / "kubeconfig"
    path.write_text(json.dumps({"clusters": [cluster], "users": [user], "contexts": [context]}))
    return path


def test_the_published_role_is_enough_for_a_whole_up_and_for_nothing_else(
    tenant: Team, yard: Yard
) -> None:
    tenant.pulumi("up", "--yes", "--skip-preview")

    report = json.loads(tenant.stackyard("accept", "--json"))
    assert report["passed"], report
    kubectl = ["kubectl", "--kubeconfig", str(tenant.project / "kubeconfig"), "--context", CONTEXT]
    for denied in (
        ["create", "namespaces"],
        ["get", "nodes"],
        ["get", "secrets", "-n", "kube-system"],
        ["create", "clusterroles"],
    ):
        said = tenant.run(*kubectl, "auth", "can-i", *denied, fails=True)
        assert said.strip().startswith("no"), denied
