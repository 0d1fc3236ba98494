"""Where a stack's traces go: the app is told, and the way there is opened, only where it is set."""

import pulumi
import pytest

from tests.infra.conftest import Deploy

COLLECTOR = "http://collector.monitoring.svc:4318/v1/traces"


def test_the_app_is_told_and_the_way_is_open(deploy: Deploy) -> None:
    with_it, without = deploy({"app": {"traces": COLLECTOR}}), deploy({})

    told = [value for each in with_it.of("Deployment") for value in environment(each.inputs)]
    ways = [each.inputs["metadata"]["name"] for each in with_it.of("NetworkPolicy")]
    assert told.count(("RAG_TRACES_URL", COLLECTOR)) == 1
    assert sum("traces" in name for name in ways) == 1
    assert not any(
        "traces" in each.inputs["metadata"]["name"] for each in without.of("NetworkPolicy")
    )


@pytest.mark.parametrize(
    "address", ["collector:4318", "http://collector:4318", "http://a:b@collector:4318/v1/traces"]
)
def test_an_address_that_is_none_or_holds_a_secret_is_refused(deploy: Deploy, address: str) -> None:
    with pytest.raises(pulumi.RunError, match=r"app\.traces"):
        deploy({"app": {"traces": address}})


def environment(deployment: dict[str, object]) -> list[tuple[object, object]]:
    pod = deployment["spec"]["template"]["spec"]  # type: ignore[index]
    return [
        (each["name"], each.get("value"))
        for container in pod["containers"]
        for each in container.get("env") or []
    ]
