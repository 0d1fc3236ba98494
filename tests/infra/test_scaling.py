"""Model servers that come and go, and a Qdrant of several nodes: what is rendered, what refused."""

import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from infra.components.keda import values
from infra.schema.hours import cron
from infra.schema.scaling_choices import metrics_of
from tests.infra.conftest import Deploy
from tests.infra.recorder import DIGEST, Deployment
from tests.infra.test_gpu_settings import EKS, KEY, NIM, ONPREM, REGISTRY, refusal
from tools.keda.source import TRIGGERS

BASE = {"cluster": ONPREM, "registry": {**REGISTRY, "mirrored": True}}
SCALED = {"scaling": {"min": 2, "max": 4}, "cacheAccess": "ReadWriteMany"}
HOURS = {"timeZone": "Europe/Berlin", "days": ["mon", "sat"]}
WHERE = "stackyard:models.llm"


@pytest.fixture(scope="module")
def prod(deploy_once: Deploy) -> Deployment:
    models = {**NIM, "llm": SCALED, "hours": HOURS}
    return deploy_once({**BASE, "models": models, "qdrant": {"nodes": 3}}, secrets=KEY)


@pytest.fixture(scope="module")
def local(deploy_once: Deploy) -> Deployment:
    return deploy_once({"models": {"llm": {"scaling": {"max": 2}}}})


def test_keda_scales_a_role_by_its_queue_its_cache_and_the_clock(prod: Deployment) -> None:
    spec = prod["llm-scaling"].inputs["spec"]
    queue, cache, hours = spec["triggers"]

    assert {each["type"] for each in spec["triggers"]} == TRIGGERS  # which `make long` has built
    assert (queue["type"], queue["metricType"]) == ("metrics-api", "AverageValue")
    assert queue["metadata"] == {
        "url": "http://llm.models-dev.svc:8000/v1/metrics",
        "format": "prometheus",
        "valueLocation": "vllm:num_requests_waiting",
        "targetValue": "4",
        "aggregateFromKubeServiceEndpoints": "true",
        "aggregationType": "sum",
    }
    assert (cache["metricType"], cache["metadata"]["aggregationType"]) == ("Value", "average")
    assert cache["metadata"]["valueLocation"] == "vllm:kv_cache_usage_perc"
    assert cache["metadata"]["targetValue"] == "0.8"
    assert hours["metadata"] == {
        "timezone": "Europe/Berlin",
        "start": "0 7 * * mon,sat",
        "end": "0 19 * * mon,sat",
        "desiredReplicas": "2",
    }
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (0, 4)
    assert spec["cooldownPeriod"] == spec["initialCooldownPeriod"] == 300
    behaviour = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behaviour["scaleDown"] == {
        "stabilizationWindowSeconds": 600,
        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 120}],
    }


def test_keda_finds_the_servers_by_the_address_as_it_reads_it(prod: Deployment) -> None:
    urls = {
        each.inputs["metadata"]["name"]: trigger["metadata"]["url"]
        for each in prod.of("ScaledObject")
        for trigger in each.inputs["spec"]["triggers"]
        if trigger["type"] == "metrics-api"
    }

    # getEndpointsUrlsFromServiceURL of v2.20.2: the host with its port, cut at each dot
    assert {name: urlsplit(url).netloc.split(".")[:2] for name, url in urls.items()} == {
        "llm": ["llm", "models-dev"]
    }
    # and of each ready pod the port that the address has, which is the pods' own
    (container,) = prod.pods["llm"]["containers"]
    assert urlsplit(urls["llm"]).port == container["ports"][0]["containerPort"]


def test_a_role_without_scaling_follows_the_clock_only(prod: Deployment) -> None:
    spec = prod["ranking-scaling"].inputs["spec"]

    assert [each["type"] for each in spec["triggers"]] == ["cron"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (0, 1)
    assert prod["ranking-deployment"].inputs["spec"]["strategy"] == {"type": "Recreate"}


def test_servers_that_are_scaled_have_no_fixed_number_and_leave_slowly(prod: Deployment) -> None:
    spec = prod["llm-deployment"].inputs["spec"]
    pod = prod.pods["llm"]

    assert "replicas" not in spec
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    leaving = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] >= leaving + 60
    assert prod["llm-cache"].inputs["spec"]["accessModes"] == ["ReadWriteMany"]
    budget = prod["llm-budget"].inputs["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"] == spec["selector"]
    keys = {
        each["topologyKey"]: each["whenUnsatisfiable"] for each in pod["topologySpreadConstraints"]
    }
    assert set(keys.values()) == {"ScheduleAnyway"}
    assert len(keys) == 2


def test_keda_comes_from_the_registry_and_may_read_the_servers(prod: Deployment) -> None:
    values = prod["keda-release"].inputs["values"]
    policy = prod["network-keda-to-llm-ingress"].inputs["spec"]["ingress"][0]

    assert values["webhooks"] == {"enabled": False}
    assert values["image"]["keda"] == {"registry": "r.example.com", "repository": "kedacore/keda"}
    assert prod["keda-release"].inputs["version"] == "2.20.2"
    assert policy["from"][0]["namespaceSelector"]["matchLabels"] == {
        "kubernetes.io/metadata.name": "keda"
    }
    names = {each["name"] for each in prod.exports["inventory"]}
    assert {"keda-keda", "keda-metricsApiServer"} <= names


def test_keda_is_taken_by_the_digest_that_a_lock_knows() -> None:
    image = f"r.example.com/kedacore/keda:2.20.2@{DIGEST}"

    part = values({"keda": image}, None)["image"]["keda"]

    # the chart puts these three together as REGISTRY/REPOSITORY:TAG
    assert f"{part['registry']}/{part['repository']}:{part['tag']}" == image


def test_qdrant_nodes_find_each_other_and_stay_apart(prod: Deployment) -> None:
    spec = prod["qdrant-statefulset"].inputs["spec"]
    pod = prod.pods["qdrant"]
    (container,) = pod["containers"]
    peers = prod["qdrant-peers-service"].inputs["spec"]

    assert (spec["replicas"], spec["podManagementPolicy"]) == (3, "Parallel")
    assert spec["serviceName"] == "qdrant-peers"
    assert (peers["clusterIP"], peers["publishNotReadyAddresses"]) == ("None", True)
    script = container["command"][2]
    assert "first=http://qdrant-0.qdrant-peers:6335" in script
    assert '--bootstrap "$first" --uri "$me"' in script
    environment = {each["name"]: each["value"] for each in container["env"]}
    assert environment["QDRANT__CLUSTER__ENABLED"] == "true"
    (apart,) = pod["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert apart["topologyKey"] == "kubernetes.io/hostname"
    assert apart["labelSelector"] == spec["selector"]
    zones = pod["topologySpreadConstraints"][0]
    assert zones["topologyKey"] == "topology.kubernetes.io/zone"
    assert zones["whenUnsatisfiable"] == "ScheduleAnyway"
    assert prod["qdrant-budget"].inputs["spec"]["maxUnavailable"] == 1


def test_one_qdrant_node_asks_for_no_machine_of_its_own(local: Deployment) -> None:
    assert "affinity" not in local.pods["qdrant"]


def test_servers_at_aws_share_a_class_that_was_made_after_the_cluster(deploy: Deploy) -> None:
    cluster = {**EKS, "addedStorageClasses": ["efs"]}
    models = {**NIM, "llm": {**SCALED, "cacheStorageClass": "efs"}}

    found = deploy({"cluster": cluster, "models": models}, secrets=KEY)

    claim = found["llm-cache"].inputs["spec"]
    assert (claim["storageClassName"], claim["accessModes"]) == ("efs", ["ReadWriteMany"])
    assert found["llm-scaling"].inputs["spec"]["maxReplicaCount"] == 4
    assert [each.inputs["metadata"]["name"] for each in found.of("StorageClass")] == [
        "stackyard-gp3"
    ]


def test_each_qdrant_node_takes_a_protected_volume_of_its_own(prod: Deployment) -> None:
    spec = prod["qdrant-statefulset"].inputs["spec"]
    (template,) = spec["volumeClaimTemplates"]
    claims = [
        each
        for each in prod.of("PersistentVolumeClaim")
        if each.inputs["metadata"]["name"].startswith("data-qdrant-")
    ]

    assert sorted(each.inputs["metadata"]["name"] for each in claims) == [
        f"{template['metadata']['name']}-qdrant-{number}" for number in range(int(spec["replicas"]))
    ]
    assert all(each.protect for each in claims)
    assert all(each.inputs["spec"] == template["spec"] for each in claims)


def test_qdrant_nodes_may_talk_to_each_other_and_to_nobody_else(prod: Deployment) -> None:
    for way, side in (("egress", "to"), ("ingress", "from")):
        policy = prod[f"network-qdrant-to-qdrant-{way}"].inputs["spec"]
        assert policy[way][0]["ports"] == [{"port": 6335, "protocol": "TCP"}]
        (peer,) = policy[way][0][side]
        assert peer["podSelector"] == policy["podSelector"]


def test_the_app_makes_collections_of_a_shard_a_node_and_two_copies(prod: Deployment) -> None:
    (container,) = prod.pods["rag"]["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}

    assert environment["RAG_QDRANT_SHARDS"] == "3"
    assert environment["RAG_QDRANT_COPIES"] == "2"


def test_on_a_local_cluster_kubernetes_asks_a_stand_in(local: Deployment) -> None:
    spec = local["llm-scaling"].inputs["spec"]
    api = local["model-metrics-api"].inputs
    (server,) = local.pods["model-metrics"]["containers"]
    (gauges,) = [json.loads(each["value"]) for each in server["env"]]
    asked = {
        each["external"]["metric"]["name"]: each["external"]["target"] for each in spec["metrics"]
    }

    assert asked == {
        "llm-queue": {"type": "AverageValue", "averageValue": "4"},
        "llm-cache": {"type": "Value", "value": "0.8"},
    }
    assert asked.keys() == gauges.keys()
    assert gauges["llm-queue"]["url"] == "http://llm-servers.models-dev.svc:8000/v1/metrics"
    assert local["llm-servers-service"].inputs["spec"]["clusterIP"] == "None"
    assert api["metadata"]["name"] == "v1beta1.external.metrics.k8s.io"
    assert server["livenessProbe"]["httpGet"]["scheme"] == "HTTPS"
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"}
    assert not local.of("Release")


def test_without_scaling_nothing_of_it_is_made(deploy: Deploy) -> None:
    found = deploy({**BASE, "models": NIM}, secrets=KEY)

    assert not found.of("Release")[1:]  # the GPU operator's
    assert not found.of("PodDisruptionBudget")
    assert found["llm-deployment"].inputs["spec"]["replicas"] == 1


@pytest.mark.parametrize(
    ("role", "image", "metrics"),
    [
        ("llm", "nvcr.io/nim/meta/llama:2.0.13", "vllm"),
        ("llm", "nvcr.io/nim/nvidia/nemotron:1.8.0", "nim1"),
        ("embedding", "nvcr.io/nim/nvidia/embed:1.13.0", "triton"),
        ("embedding", "nvcr.io/nim/nvidia/embed-vl:2.3.0", None),
        ("llm", "r.example.com/own:latest", None),
        ("llm", f"r.example.com/own@sha256:{'0' * 64}", None),
    ],
)
def test_an_image_says_by_its_tag_whose_metric_names_it_has(
    role: str, image: str, metrics: str | None
) -> None:
    assert metrics_of(role, image) == metrics


def test_a_time_may_be_later_but_stays_on_its_day() -> None:
    assert cron("19:50", ["fri"], later=15) == "5 20 * * fri"
    assert cron("23:50", ["fri"], later=15) == "59 23 * * fri"


@pytest.mark.parametrize(
    ("settings", "problems"),
    [
        (
            {"llm": {"scaling": {"min": 3, "max": 2}, "cacheAccess": "ReadWriteMany"}},
            [
                f"{WHERE}.scaling.max: is 2; it must be at least models.llm.scaling.min 3\n"
                f"hint: pulumi config set --path '{WHERE}.scaling.max' 3"
            ],
        ),
        (
            {"llm": {"scaling": {"max": 2}}},
            [
                f"{WHERE}.cacheAccess: is 'ReadWriteOnce'; with models.llm.scaling.max 2 servers "
                "on several nodes read one volume, which needs a storage class with ReadWriteMany "
                "(EFS, FSx, CephFS, NFS, Longhorn)\n"
                f"hint: pulumi config set --path '{WHERE}.cacheAccess' ReadWriteMany"
            ],
        ),
        (
            {"llm": {"image": "r/x:latest", "model": "m", "scaling": {}}},
            [
                f"{WHERE}.scaling.metrics: is not set; the tag of models.llm.image 'r/x:latest' "
                "does not say whose names its metrics have\n"
                f"hint: pulumi config set --path '{WHERE}.scaling.metrics' vllm"
            ],
        ),
        (
            {"ranking": {"scaling": {"cacheUse": 50}}},
            [
                "stackyard:models.ranking.scaling.cacheUse: is 50; it is only for models.llm, "
                "which has a KV cache\n"
                "hint: pulumi config rm --path 'stackyard:models.ranking.scaling.cacheUse'"
            ],
        ),
        (
            {"hours": {"start": "19:00", "end": "07:00"}},
            [
                "stackyard:models.hours.end: is '07:00'; it must be later on the same day than "
                "models.hours.start '19:00'\n"
                "hint: pulumi config set --path 'stackyard:models.hours.end' 19:00"
            ],
        ),
        (
            {"llm": {"scaling": {"maxx": 2}}},
            [f"{WHERE}.scaling.maxx: is not a setting; the nearest is {WHERE}.scaling.max"],
        ),
    ],
)
def test_scaling_that_makes_no_sense_is_refused(
    deploy: Deploy, settings: dict[str, Any], problems: list[str]
) -> None:
    given = {"cluster": ONPREM, "registry": REGISTRY, "models": {**NIM, **settings}}

    assert refusal(deploy, given, KEY) == problems


@pytest.mark.parametrize(
    ("pools", "llm", "problem"),
    [
        (
            [{}],
            {},
            "stackyard:cluster.gpuPools[0].zones: is not set; it may have one zone only: with "
            "models.hours nodes come in any of them each morning, and the volume of a model (EBS) "
            "stays in one\nhint: pulumi config set --path 'stackyard:cluster.gpuPools[0].zones[0]' "
            "eu-central-1a",
        ),
        (
            [{"zones": EKS["zones"][:1]}, {"zones": EKS["zones"]}],
            {"pool": "gpu0"},
            'stackyard:cluster.gpuPools[1].zones: is ["eu-central-1a", "eu-central-1b"]; it may '
            "have one zone only: with models.hours nodes come in any of them each morning, and the "
            "volume of a model (EBS) stays in one\nhint: pulumi config rm --path "
            "'stackyard:cluster.gpuPools[1].zones[1]'",
        ),
        (
            [{"zones": EKS["zones"][:1]}, {"zones": EKS["zones"][1:]}],
            {},
            "stackyard:models.llm.pool: is not set; gpu0, gpu1 are in different zones: with "
            "models.hours nodes come in any of them each morning, and the volume of a model (EBS) "
            "stays in one\nhint: pulumi config set --path 'stackyard:models.llm.pool' gpu0",
        ),
    ],
    ids=["unset", "two-zones", "two-pools"],
)
def test_nodes_that_go_each_evening_come_back_where_the_volumes_are(
    deploy: Deploy, pools: list[dict[str, Any]], llm: dict[str, Any], problem: str
) -> None:
    gpus = EKS["gpuPools"][0]
    cluster = {
        **EKS,
        "gpuPools": [{**gpus, **each, "name": f"gpu{at}"} for at, each in enumerate(pools)],
    }
    others = {role: {"pool": f"gpu{len(pools) - 1}"} for role in ("embedding", "ranking")}
    models = {**NIM, "hours": HOURS, "llm": llm, **others}

    assert refusal(deploy, {"cluster": cluster, "models": models}, KEY) == [problem]


@pytest.mark.parametrize(
    ("settings", "first"),
    [
        (
            {"cluster": EKS, "models": {**NIM, "llm": SCALED}},
            f"{WHERE}.scaling.max: is 4; servers on several nodes read one volume, and the class "
            "that the program makes is EBS, which has no ReadWriteMany. First `up` without "
            "scaling, then make a class that has it (EFS; docs/guides/scaling.md), then set "
            "cluster.addedStorageClasses, models.llm.cacheStorageClass, models.llm.cacheAccess "
            "ReadWriteMany and this",
        ),
        (
            {"cluster": EKS, "models": {**NIM, "llm": {**SCALED, "cacheStorageClass": "efs"}}},
            f"{WHERE}.cacheStorageClass: is 'efs'; it may be stackyard-gp3: a new cluster has no "
            "other, so bring it up without this, make the class in it (docs/guides/scaling.md), "
            "then name it",
        ),
        (
            {"cluster": EKS, "models": NIM, "backup": {"storageClass": "st1"}},
            "stackyard:backup.storageClass: is 'st1'; it may be stackyard-gp3: a new cluster has "
            "no other, so bring it up without this, make the class in it "
            "(docs/guides/scaling.md), then name it",
        ),
        (
            {"cluster": ONPREM, "registry": REGISTRY, "qdrant": {"nodes": 2}},
            "stackyard:qdrant.nodes: is 2; two nodes agree on nothing when one of them is gone",
        ),
        (
            {"cluster": ONPREM, "registry": REGISTRY, "qdrant": {"nodes": 3, "copies": 4}},
            "stackyard:qdrant.copies: is 4; it may be at most qdrant.nodes 3, because each copy is "
            "on a node of its own",
        ),
        (
            {"cluster": EKS, "models": NIM, "qdrant": {"nodes": 3}},
            "stackyard:cluster.systemPool.min: is 2; each of the 3 of qdrant.nodes has a machine "
            "of its own, and none of them is a GPU node",
        ),
        (
            {"qdrant": {"nodes": 3}},
            "stackyard:qdrant.nodes: is 3; it is only for cluster.kind 'existing' or 'eks'",
        ),
        (
            {"models": {"hours": {"start": "08:00"}}},
            "stackyard:models.hours.start: is '08:00'; it is only for roles of kind 'nim'",
        ),
        (
            {"keda": {"mode": "adopt"}},
            "stackyard:keda.mode: is 'adopt'; it is only for cluster.kind 'existing' or 'eks' with "
            "models.<role>.scaling or models.hours",
        ),
        (
            {
                "cluster": {**ONPREM, "scope": "namespace"},
                "registry": REGISTRY,
                "models": {"llm": {"scaling": {"max": 2}}},
                "keda": {"mode": "install"},
            },
            "stackyard:keda.mode: is 'install'; cluster.scope 'namespace' may not make what it "
            "needs",
        ),
    ],
)
def test_nodes_and_keda_that_cannot_be_are_refused(
    deploy: Deploy, settings: dict[str, Any], first: str
) -> None:
    problem = refusal(deploy, settings, KEY)[0]

    assert problem.splitlines()[0] == first
    assert "\nhint: pulumi config" in problem
