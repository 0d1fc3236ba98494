"""The stand-in over real gRPC against a fake API server."""

import base64
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2

from tests.tools.standin.doubles import Failure, FakeApi, Provider, Words, shown, urn
from tools.standin.wire import UNKNOWN, Secret, encode, plain

CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
SECRET = "kubernetes:core/v1:Secret"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
Json = dict[str, Any]


def config_map(**data: Any) -> Json:
    metadata = {"name": "settings", "namespace": "rag-dev"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def deployment(**metadata: Any) -> Json:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "app", "namespace": "rag-dev", **metadata},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "app"}},
            "template": {"spec": {"memory": "1024Mi"}},
        },
    }


def fail_pod(api: FakeApi, waiting: Json, **status: Any) -> None:
    """Let the fake's controllers make a pod that does not come up."""
    owner = {"uid": "uid-of-app"}
    meta = {"name": "app-1", "labels": {"app": "app"}, "ownerReferences": [owner]}
    api.store("apps/v1", "ReplicaSet", {"metadata": {**meta, "uid": "set"}})
    container = {"name": "main", "state": {"waiting": waiting}, **status}
    pod = {"metadata": {**meta, "ownerReferences": [{"uid": "set"}]}}
    api.store("v1", "Pod", {**pod, "status": {"containerStatuses": [container]}})


def test_a_new_object_is_applied_and_its_state_carries_our_marker(
    api: FakeApi, provider: Provider
) -> None:
    known, state = provider.create(CONFIG_MAP, config_map(a="1"))

    assert known == "rag-dev/settings"
    assert state["__standIn"] == "1"
    assert "managedFields" not in state["metadata"]
    live = api.get("configmaps", "settings")
    assert live is not None
    assert live["data"] == {"a": "1"}


def test_a_preview_asks_the_server_and_changes_nothing(api: FakeApi, provider: Provider) -> None:
    provider.create(CONFIG_MAP, config_map(a="1"), preview=True)

    assert api.get("configmaps", "settings") is None
    assert any(m == "PATCH" and "dryRun=All" in path for m, path in api.requests)


def test_a_preview_in_a_namespace_that_comes_with_the_same_update_passes(
    provider: Provider,
) -> None:
    inputs = config_map(a="1")
    inputs["metadata"]["namespace"] = "not-there-yet"

    _, state = provider.create(CONFIG_MAP, inputs, preview=True)

    assert state["data"] == {"a": "1"}


def test_a_preview_with_an_unknown_value_does_not_reach_the_server(
    api: FakeApi, provider: Provider
) -> None:
    _, state = provider.create(CONFIG_MAP, config_map(a=UNKNOWN), preview=True)

    assert state["data"]["a"] is UNKNOWN
    assert not any(method == "PATCH" for method, _ in api.requests)


def test_a_preview_without_a_cluster_says_so_and_passes(
    start: Callable[[], Provider], words: Words, api: FakeApi
) -> None:
    provider = start()
    provider.configure(kubeconfig=api.kubeconfig(server="http://127.0.0.1:1"))

    provider.create(CONFIG_MAP, config_map(a="1"), preview=True)

    assert any("previewed without the cluster" in line for line in words.lasting())


def test_a_preview_reports_what_the_server_refuses(api: FakeApi, provider: Provider) -> None:
    api.refusals.append(("PATCH", 422, {"message": "spec.replicas: must not be negative"}))

    with pytest.raises(Failure, match=r"ConfigMap rag-dev/settings: spec\.replicas: must not"):
        provider.create(CONFIG_MAP, config_map(a="1"), preview=True)


def test_an_object_of_others_is_not_taken_over(api: FakeApi, provider: Provider) -> None:
    meta = {"name": "settings", "managedFields": [{"manager": "helm"}]}
    api.store("v1", "ConfigMap", {"metadata": meta, "data": {"a": "theirs"}})

    with pytest.raises(Failure, match=r"is already there, made by helm\nhint:"):
        provider.create(CONFIG_MAP, config_map(a="1"))

    live = api.get("configmaps", "settings")
    assert live is not None
    assert live["data"] == {"a": "theirs"}


def test_an_object_that_a_killed_run_of_ours_left_is_taken_up(provider: Provider) -> None:
    provider.create(CONFIG_MAP, config_map(a="1"))

    _, state = provider.create(CONFIG_MAP, config_map(a="2"))

    assert state["data"] == {"a": "2"}


def test_a_conflict_names_field_and_manager(api: FakeApi, provider: Provider) -> None:
    inputs = config_map(a="1")
    _, state = provider.create(CONFIG_MAP, inputs)
    api.change("configmaps", "settings", "data.a", "9", manager="kubectl")

    with pytest.raises(Failure) as caught:
        provider.update(CONFIG_MAP, state, inputs, config_map(a="2"), preview=True)

    assert 'field .data.a: conflict with "kubectl"' in str(caught.value)
    assert 'pulumi.com/patchForce: "true"' in str(caught.value)


def test_the_annotation_patch_force_takes_the_field_over(api: FakeApi, provider: Provider) -> None:
    inputs = config_map(a="1")
    inputs["metadata"]["annotations"] = {"pulumi.com/patchForce": "true"}
    _, state = provider.create(CONFIG_MAP, inputs)
    api.change("configmaps", "settings", "data.a", "9", manager="kubectl")

    after = provider.update(CONFIG_MAP, state, inputs, inputs)

    assert after["data"] == {"a": "1"}


def test_a_field_that_the_program_drops_is_removed(api: FakeApi, provider: Provider) -> None:
    old = config_map(a="1", b="2")
    _, state = provider.create(CONFIG_MAP, old)

    provider.update(CONFIG_MAP, state, old, config_map(a="1"))

    live = api.get("configmaps", "settings")
    assert live is not None
    assert live["data"] == {"a": "1"}


def test_secrets_are_secret_in_the_state_and_plain_in_the_cluster(
    api: FakeApi, provider: Provider
) -> None:
    given = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "key", "namespace": "rag-dev"},
        "stringData": {"key": "the-api-key"},
    }

    inputs = provider.check(SECRET, given)
    _, state = provider.create(SECRET, inputs)

    live = api.get("secrets", "key")
    assert live is not None
    encoded = base64.b64encode(b"the-api-key").decode()
    assert live["data"] == {"key": encoded}
    assert "stringData" not in live
    assert "the-api-key" not in shown(inputs) + shown(state)
    assert encoded not in shown(state)
    assert plain(state)["stringData"] == {"key": "the-api-key"}


def test_a_secret_inside_an_ordinary_object_stays_secret(provider: Provider) -> None:
    _, state = provider.create(CONFIG_MAP, config_map(a=Secret("the-api-key"), b="open"))

    assert "the-api-key" not in shown(state)
    assert plain(state)["data"] == {"a": "the-api-key", "b": "open"}
    assert state["data"]["b"] == "open"


def test_a_secret_is_masked_where_the_server_repeats_it(api: FakeApi, provider: Provider) -> None:
    api.refusals.append(("PATCH", 422, {"message": 'Invalid value: "the-api-key"'}))

    with pytest.raises(Failure) as caught:
        provider.create(CONFIG_MAP, config_map(a=Secret("the-api-key")))

    assert "the-api-key" not in str(caught.value)
    assert 'Invalid value: "[secret]"' in str(caught.value)


def test_a_deployment_is_awaited_until_it_is_available(api: FakeApi, provider: Provider) -> None:
    inputs = deployment(annotations={"pulumi.com/timeoutSeconds": "1"})

    with pytest.raises(Failure, match="waited 1 s") as caught:
        provider.create(DEPLOYMENT, inputs)

    assert caught.value.init is not None
    counts = {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
    api.change("deployments", "app", "status", {"observedGeneration": 1, **counts})
    state = provider.update(DEPLOYMENT, {"__standIn": "1"}, inputs, inputs)
    assert state["status"]["availableReplicas"] == 1


def test_a_failing_pod_gives_its_reason_and_the_state_is_kept(
    api: FakeApi, provider: Provider
) -> None:
    fail_pod(api, {"reason": "ImagePullBackOff", "message": 'Back-off pulling "x": not found'})

    with pytest.raises(Failure) as caught:
        provider.create(DEPLOYMENT, deployment())

    text = str(caught.value)
    assert "Deployment rag-dev/app is not ready: ImagePullBackOff for" in text
    assert 'container "main": ImagePullBackOff: Back-off pulling "x": not found' in text
    assert "hint: kubectl --context kind-stackyard-dev --namespace rag-dev describe" in text
    assert caught.value.init is not None
    assert caught.value.init.id == "rag-dev/app"
    assert caught.value.init.properties.fields["__standIn"].string_value == "1"


def test_a_crashing_pod_shows_its_last_lines_without_secrets(
    api: FakeApi, provider: Provider
) -> None:
    last = {"terminated": {"exitCode": 3, "reason": "Error"}}
    fail_pod(api, {"reason": "CrashLoopBackOff"}, lastState=last, restartCount=4)
    api.logs["app-1"] = "starting\npassword=hunter22 refused\nkey the-api-key\n" + "x" * 5000
    inputs = deployment(annotations={"token": Secret("the-api-key")})

    with pytest.raises(Failure) as caught:
        provider.create(DEPLOYMENT, inputs, timeout=0.3)

    text = str(caught.value)
    assert "CrashLoopBackOff (last exit code 3, Error)" in text
    assert "| starting" in text
    assert "| password=[secret] refused" in text
    assert "the-api-key" not in text
    assert len(text) < 1500


def test_an_unschedulable_pod_and_the_events_are_told(api: FakeApi, provider: Provider) -> None:
    fail_pod(api, {"reason": "ContainerCreating"})
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    condition["message"] = "0/1 nodes are available: 1 Insufficient memory"
    api.change("pods", "app-1", "status.conditions", [condition])
    pod = api.get("pods", "app-1")
    assert pod is not None
    event = {"type": "Warning", "reason": "FailedMount", "message": 'secret "k" not found'}
    involved = {"uid": pod["metadata"]["uid"]}
    api.store("v1", "Event", {"metadata": {"name": "e"}, "involvedObject": involved, **event})

    with pytest.raises(Failure) as caught:
        provider.create(DEPLOYMENT, deployment(), timeout=0.2)

    assert "Unschedulable: 0/1 nodes are available: 1 Insufficient memory" in str(caught.value)
    assert 'pod app-1: FailedMount: secret "k" not found' in str(caught.value)


def test_skip_await_does_not_wait(provider: Provider) -> None:
    known, _ = provider.create(
        DEPLOYMENT, deployment(annotations={"pulumi.com/skipAwait": "true"}), timeout=0.1
    )

    assert known == "rag-dev/app"


def test_a_cancelled_update_stops_waiting_and_keeps_the_state(
    provider: Provider, words: Words
) -> None:
    provider.stub.Cancel(empty_pb2.Empty())

    with pytest.raises(Failure, match="cancelled") as caught:
        provider.create(DEPLOYMENT, deployment(), timeout=60)

    assert caught.value.init is not None


def test_a_refresh_without_drift_leaves_the_inputs_alone(provider: Provider) -> None:
    inputs = deployment(annotations={"pulumi.com/skipAwait": "true"})
    known, state = provider.create(DEPLOYMENT, inputs)

    _, _, found = provider.read(DEPLOYMENT, known, state, inputs)

    assert found == inputs  # 1024Mi, which the server spells 1Gi


def test_a_refresh_sees_changed_and_removed_fields(api: FakeApi, provider: Provider) -> None:
    inputs = config_map(a="1", b="2")
    known, state = provider.create(CONFIG_MAP, inputs)
    api.change("configmaps", "settings", "data", {"a": "9", "theirs": "x"})

    _, after, found = provider.read(CONFIG_MAP, known, state, inputs)

    assert found["data"] == {"a": "9"}
    answer = provider.diff(CONFIG_MAP, found, inputs, after)
    assert sorted(answer.detailedDiff) == ["data.a", "data.b"]


def test_a_refresh_of_a_deployment_that_is_not_ready_keeps_that_in_mind(
    api: FakeApi, provider: Provider
) -> None:
    fail_pod(api, {"reason": "ImagePullBackOff", "message": "not found"})
    with pytest.raises(Failure) as caught:
        provider.create(DEPLOYMENT, deployment())
    assert caught.value.init is not None

    with pytest.raises(Failure, match="ImagePullBackOff") as again:
        provider.read(DEPLOYMENT, "rag-dev/app", {"__standIn": "1"}, deployment())

    assert again.value.init is not None
    assert again.value.init.inputs == encode(deployment())


def test_a_refresh_of_a_secret_gives_text_back_as_text(api: FakeApi, provider: Provider) -> None:
    given = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "key", "namespace": "rag-dev"},
        "stringData": {"a": "one", "b": "two"},
    }
    inputs = provider.check(SECRET, given)
    known, state = provider.create(SECRET, inputs)
    changed = base64.b64encode(b"changed").decode()
    api.change("secrets", "key", "data.b", changed)

    _, after, found = provider.read(SECRET, known, state, inputs)

    assert plain(found)["stringData"] == {"a": "one", "b": "changed"}
    assert "changed" not in shown(found) + shown(after)
    assert changed not in shown(after)


def test_an_object_that_is_gone_is_reported_as_gone(api: FakeApi, provider: Provider) -> None:
    inputs = config_map(a="1")
    known, state = provider.create(CONFIG_MAP, inputs)
    api.objects.clear()

    assert provider.read(CONFIG_MAP, known, state, inputs)[0] == ""


def test_an_import_returns_the_object_as_a_program_would_write_it(
    api: FakeApi, provider: Provider
) -> None:
    meta = {"name": "settings", "labels": {"a": "b"}, "managedFields": [{"manager": "x"}]}
    api.store("v1", "ConfigMap", {"metadata": meta, "data": {"a": "1"}})

    known, state, inputs = provider.read(CONFIG_MAP, "rag-dev/settings", {}, {})

    assert known == "rag-dev/settings"
    assert state["__standIn"] == "1"
    assert inputs["metadata"] == {
        "name": "settings",
        "namespace": "rag-dev",
        "labels": {"a": "b"},
    }
    assert inputs["data"] == {"a": "1"}


def test_a_deletion_waits_and_names_the_finalizers_that_hold_it(
    api: FakeApi, provider: Provider
) -> None:
    inputs = config_map(a="1")
    _, state = provider.create(CONFIG_MAP, inputs)
    api.keep_deleted = True

    with pytest.raises(Failure, match=r"is still there after .*\n  finalizers: tests/hold"):
        provider.delete(CONFIG_MAP, state, inputs, timeout=0.1)


def test_deleting_what_is_gone_is_fine(api: FakeApi, provider: Provider) -> None:
    inputs = config_map(a="1")
    _, state = provider.create(CONFIG_MAP, inputs)
    provider.delete(CONFIG_MAP, state, inputs)

    provider.delete(CONFIG_MAP, state, inputs)

    assert api.get("configmaps", "settings") is None


def test_a_patch_resource_changes_its_fields_and_gives_them_back(
    api: FakeApi, provider: Provider
) -> None:
    api.store("v1", "ConfigMap", {"metadata": {"name": "settings"}, "data": {"theirs": "x"}})
    inputs = config_map(ours="y")
    token = "kubernetes:core/v1:ConfigMapPatch"

    _, state = provider.create(token, inputs)
    with_ours = api.get("configmaps", "settings")
    provider.delete(token, state, inputs)

    after = api.get("configmaps", "settings")
    assert with_ours is not None
    assert after is not None
    assert with_ours["data"] == {"theirs": "x", "ours": "y"}
    assert after["data"] == {"theirs": "x"}


def test_an_object_without_a_name_gets_one_and_keeps_it(provider: Provider) -> None:
    bare = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "rag-dev"}}

    first = provider.check(CONFIG_MAP, bare)
    again = provider.check(CONFIG_MAP, bare, olds=first)

    assert first["metadata"]["name"] == "app-01010101"
    assert first["metadata"]["annotations"] == {"pulumi.com/autonamed": "true"}
    assert again == first


def test_the_namespace_setting_places_what_names_none(
    api: FakeApi, start: Callable[[], Provider]
) -> None:
    provider = start()
    provider.configure(kubeconfig=api.kubeconfig(), namespace="rag-dev")

    inputs = provider.check(CONFIG_MAP, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}})
    space = provider.check(
        "kubernetes:core/v1:Namespace",
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}},
    )

    assert inputs["metadata"]["namespace"] == "rag-dev"
    assert "namespace" not in space["metadata"]


def test_a_secret_that_is_not_base64_is_named_without_its_value(provider: Provider) -> None:
    inputs = {"apiVersion": "v1", "kind": "Secret", "data": {"key": "not base64 at all!"}}

    with pytest.raises(Failure, match=r'data\["key"\] of Secret "app" is not base64') as caught:
        provider.check(SECRET, inputs)

    assert "at all" not in str(caught.value)


@pytest.mark.parametrize(
    "token",
    [
        "kubernetes:helm.sh/v4:Chart",
        "kubernetes:yaml/v2:ConfigFile",
        "kubernetes:yaml/v2:ConfigGroup",
    ],
)
def test_components_of_the_official_plugin_are_refused(provider: Provider, token: str) -> None:
    request = provider_pb2.ConstructRequest(type=token, name="chart")

    with pytest.raises(Failure, match="hint: pulumi plugin install resource kubernetes"):
        provider._call(provider.stub.Construct, request)


def test_a_list_of_objects_is_refused(provider: Provider) -> None:
    inputs = {"apiVersion": "v1", "kind": "ConfigMapList", "items": []}
    request = provider_pb2.CheckRequest(urn=urn(CONFIG_MAP + "List"), news=encode(inputs))

    answer = provider.stub.Check(request)

    assert "makes single objects only" in answer.failures[0].reason


@pytest.mark.parametrize(
    ("context", "server"),
    [
        ("arn:aws:eks:eu-west-1:1:cluster/prod", "https://127.0.0.1:6443"),
        ("kind-stackyard-dev", "https://10.1.2.3:6443"),
        ("kind-other", "https://127.0.0.1:6443"),
    ],
)
def test_a_cluster_that_is_not_ours_is_refused(
    api: FakeApi, start: Callable[[], Provider], context: str, server: str
) -> None:
    provider = start()

    with pytest.raises(Failure) as caught:
        provider.configure(kubeconfig=api.kubeconfig(context, server))

    assert f'context "{context}" with server "{server}"' in str(caught.value)
    assert "pulumi plugin install resource kubernetes 4.34.2" in str(caught.value)
    assert api.requests == []


def test_the_override_of_tests_lets_another_cluster_through(
    api: FakeApi, start: Callable[[], Provider], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STACKYARD_STANDIN_ANY_CLUSTER", "1")
    provider = start()

    provider.configure(kubeconfig=api.kubeconfig("onprem"))

    assert provider.create(CONFIG_MAP, config_map(a="1"))[0] == "rag-dev/settings"


def test_state_of_the_official_plugin_is_refused(api: FakeApi, provider: Provider) -> None:
    inputs, state = config_map(a="1"), {**config_map(a="1"), "__fieldManager": "pulumi-kubernetes"}

    for call in (
        lambda: provider.diff(CONFIG_MAP, inputs, inputs, state),
        lambda: provider.read(CONFIG_MAP, "rag-dev/settings", state, inputs),
        lambda: provider.update(CONFIG_MAP, state, inputs, inputs),
        lambda: provider.delete(CONFIG_MAP, state, inputs),
    ):
        with pytest.raises(Failure, match="not written by the stand-in"):
            call()
    assert api.requests == []


def test_the_stand_in_names_itself_once_in_a_run(
    api: FakeApi, start: Callable[[], Provider], words: Words
) -> None:
    for _ in range(2):  # one command starts a plugin for its preview and one for its update
        start().configure(kubeconfig=api.kubeconfig())

    told = [line for line in words.lasting() if "stackyard's stand-in" in line]
    assert len(told) == 1
    assert "\n" not in told[0]


def test_a_new_cluster_behind_the_provider_replaces_it(api: FakeApi, provider: Provider) -> None:
    old, new = api.kubeconfig(), api.kubeconfig(server="http://127.0.0.1:9")
    request = provider_pb2.DiffRequest(
        olds=encode({"kubeconfig": old}), news=encode({"kubeconfig": new})
    )

    answer = provider.stub.DiffConfig(request)

    assert list(answer.replaces) == ["kubeconfig"]


def test_an_object_costs_one_look_and_one_apply(api: FakeApi, provider: Provider) -> None:
    for number in range(40):
        inputs = config_map(a="1")
        inputs["metadata"]["name"] = f"settings-{number}"
        provider.create(CONFIG_MAP, inputs)

    discovery = [path for _, path in api.requests if path == "/api/v1"]
    assert len(discovery) == 1
    assert len(api.requests) == 81  # each looked up and applied, nothing more
