"""What a plan says of a stack's settings."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackyard.errors import Trouble
from stackyard.planner.facts import gpu_named, model_named, node_types
from stackyard.planner.host import usable_cpus, usable_memory_gib
from stackyard.planner.memory import DRIVER_BYTES, room_of
from stackyard.planner.placing import Host, place
from stackyard.planner.plan import Plan, Supply, make_plan
from stackyard.planner.show import as_json, first_lines, lines
from stackyard.planner.wants import read_wants

SHARED = {"sharing": "timeSlicing", "slices": 3}


def settings(*types: str, nodes: int = 1, sharing: Any = None, **llm: Any) -> dict[str, object]:
    pool = {"name": "gpu", "instanceTypes": list(types), "max": nodes}
    return {
        "cluster": {"kind": "eks", "gpuPools": [pool]},
        "models": {"kind": "nim", "llm": {"maxModelLength": 8192, **llm}},
        "gpuOperator": sharing or {},
    }


def plan_of(given: dict[str, object], **options: Any) -> Plan:
    return make_plan("test", read_wants(given), **options)


def why(plan: Plan) -> dict[str, str]:
    return {fit.want.role: fit.why_not for fit in plan.placement.unplaced}


def test_the_full_stack_shares_one_l4_only_in_fp8() -> None:
    plan = plan_of(settings("g6.4xlarge", sharing=SHARED))

    assert plan.verdict == "fits"
    assert [each.need.precision for each in plan.placement.placed] == ["fp8", "fp16", "fp16"]


def test_pinned_to_16_bit_the_full_stack_does_not_share_24_gb() -> None:
    plan = plan_of(settings("g6.4xlarge", sharing=SHARED, profile="vllm-bf16-tp1-pp1"))

    assert plan.verdict == "does not fit"
    assert why(plan)["embedding"] == "fp16 needs 3.6 GiB on each GPU, L4 has 2.5 GiB"


def test_the_full_stack_shares_one_l40s_in_16_bit() -> None:
    plan = plan_of(settings("g6e.4xlarge", sharing=SHARED))

    assert plan.verdict == "fits"
    assert plan.placement.placed[0].need.precision == "bf16"


def test_one_gpu_without_sharing_carries_one_model() -> None:
    plan = plan_of(settings("g6e.2xlarge"))

    assert why(plan) == {
        "embedding": "all GPUs of g6e.2xlarge are taken",
        "ranking": "all GPUs of g6e.2xlarge are taken",
    }


def test_three_nodes_of_24_gb_carry_a_model_each() -> None:
    plan = plan_of(settings("g5.2xlarge", nodes=3))

    assert plan.verdict == "fits"
    assert [each.node for each in plan.placement.placed] == [0, 1, 2]


def test_a_context_that_is_too_long_names_the_longest_that_fits() -> None:
    plan = plan_of(settings("g5.2xlarge", nodes=3, maxModelLength=131072))

    assert plan.verdict == "does not fit"
    assert "models.llm.maxModelLength: 27648 would fit" in "\n".join(first_lines(plan))


def test_the_length_that_is_named_does_fit() -> None:
    assert plan_of(settings("g5.2xlarge", nodes=3, maxModelLength=27648)).verdict == "fits"
    assert plan_of(settings("g5.2xlarge", nodes=3, maxModelLength=28672)).verdict != "fits"


def test_more_requests_at_once_need_more_room() -> None:
    given = settings("g5.2xlarge", nodes=3)

    assert plan_of(given, concurrency=3).verdict == "fits"
    assert plan_of(given, concurrency=4).verdict == "does not fit"


def test_70b_takes_two_gpus_together_on_a_node_that_has_them() -> None:
    given = settings("p5.48xlarge", model="meta/llama-3.3-70b-instruct", gpus=2)

    placed = plan_of(given).placement.placed[0]

    assert placed.need.profile == "vllm-bf16-tp2-pp1"
    assert len(placed.gpus) == 2


def test_70b_does_not_fit_on_nodes_of_one_gpu_however_many() -> None:
    given = settings("p5.4xlarge", nodes=4, model="meta/llama-3.3-70b-instruct", gpus=2)

    assert why(plan_of(given))["llm"] == "it takes 2 GPUs together, p5.4xlarge has 1"


def test_70b_on_the_one_gpu_that_is_the_default_names_the_setting_that_would_do() -> None:
    plan = plan_of(settings("p5.48xlarge", model="meta/llama-3.3-70b-instruct"))

    assert "models.llm.gpus: 2 (profile vllm-bf16-tp2-pp1)" in "\n".join(first_lines(plan))


def test_a_profile_for_another_number_of_gpus_is_a_problem() -> None:
    given = settings("p5.48xlarge", model="meta/llama-3.3-70b-instruct")
    given["models"]["llm"]["profile"] = "vllm-bf16-tp4-pp1"  # type: ignore[index]

    assert plan_of(given).problems == (
        "models.llm.profile is vllm-bf16-tp4-pp1, models.llm.gpus is 1",
    )


def test_every_server_that_scaling_allows_needs_its_gpu() -> None:
    scaling = {"max": "3"}  # as `pulumi config set --path` writes it

    fits = plan_of(settings("g6e.2xlarge", nodes=5, scaling=scaling))
    one_less = plan_of(settings("g6e.2xlarge", nodes=4, scaling=scaling))

    roles = [each.want.role for each in fits.placement.placed]
    assert sorted(roles) == ["embedding", "llm", "llm", "llm", "ranking"]
    assert one_less.verdict == "does not fit"
    assert list(why(one_less).values()) == ["all GPUs of g6e.2xlarge are taken"]
    assert fits.cautions == (
        "servers: llm 1 to 3, all of them planned; the nodes of gpu beyond its desired number come "
        "by a cluster autoscaler of yours, without one those servers wait",
    )


def test_an_instance_type_to_fall_back_on_must_fit_too() -> None:
    plan = plan_of(settings("g6e.4xlarge", "g6.xlarge", sharing=SHARED))

    assert plan.verdict == "does not fit"
    assert plan.problems[0].startswith("pool gpu may get g6.xlarge, where llm does not fit")


def test_too_few_cores_are_a_reason() -> None:
    plan = plan_of(settings("g6e.xlarge", sharing=SHARED))

    assert why(plan)["llm"] == "it asks for 4 cores, g6e.xlarge has 3.6 left"


def test_what_a_pod_asks_for_is_a_setting() -> None:
    given = settings("g6e.xlarge", nodes=3, cpu="3500m", memory="20Gi")

    assert plan_of(given).verdict == "fits"


def test_a_disk_that_is_too_small_for_the_images_is_a_reason() -> None:
    given = settings("g6e.4xlarge", sharing=SHARED)
    given["cluster"]["gpuPools"][0]["diskGb"] = 50  # type: ignore[index]

    assert why(plan_of(given))["llm"] == "the images take 58 GB on the node's disk of 50 GB"


def test_a_volume_that_is_too_small_for_the_weights_is_a_reason() -> None:
    plan = plan_of(settings("g5.2xlarge", nodes=3, cacheStorage="10Gi"))

    assert plan.verdict == "does not fit"
    assert plan.problems == (
        "models.llm.cacheStorage is 10.0 GiB, "
        "the weights of meta/llama-3.1-8b-instruct need 17 GiB",
    )


def test_mig_gives_each_model_a_slice_of_its_own() -> None:
    plan = plan_of(settings("p5.4xlarge", sharing={"sharing": "mig", "migProfile": "all-2g.20gb"}))

    assert plan.verdict == "fits"
    assert plan.placement.placed[0].need.bytes <= plan.room_for(plan.placement.placed[0])


def test_a_model_larger_than_its_slice_does_not_fit() -> None:
    plan = plan_of(settings("p5.4xlarge", sharing={"sharing": "mig", "migProfile": "all-1g.10gb"}))

    assert "H100-80GB MIG 1g.10gb has 8.8 GiB" in why(plan)["llm"]


def test_a_gpu_without_mig_cannot_be_cut() -> None:
    plan = plan_of(settings("g6e.2xlarge", sharing={"sharing": "mig", "slices": 3}))

    assert why(plan)["llm"] == "L40S has no MIG profile for 3 slices (it has none)"


def test_time_slicing_says_that_it_isolates_no_memory_and_how_to_divide_it() -> None:
    plan = plan_of(settings("g6e.4xlarge", sharing=SHARED))

    assert "time slicing has no memory isolation" in "\n".join(plan.cautions)
    assert plan.settings()[-1] == (
        "models.llm.environment.NIM_PASSTHROUGH_ARGS: --gpu-memory-utilization 0.73"
    )


def test_the_part_of_a_shared_gpu_that_vllm_is_told_is_no_more_than_its_room() -> None:
    plan = plan_of(settings("g6e.4xlarge", sharing=SHARED))
    llm = plan.placement.placed[0]

    fraction = float(plan.settings()[-1].split()[-1])

    seen = 46068 * 2**20 - DRIVER_BYTES
    assert llm.need.bytes <= fraction * seen <= plan.room_for(llm)


def test_a_part_that_the_stack_sets_already_is_not_asked_for_again() -> None:
    arguments = {"NIM_PASSTHROUGH_ARGS": "--gpu-memory-utilization 0.70"}
    given = settings("g6e.4xlarge", sharing=SHARED, environment=arguments)

    assert plan_of(given).settings() == ["models.llm.profile: vllm-bf16-tp1-pp1"]


def test_slots_on_several_gpus_may_land_on_one() -> None:
    given = settings("g5.4xlarge", nodes=2, sharing={"sharing": "timeSlicing", "slices": 2})

    assert "the scheduler counts slots, not bytes" in "\n".join(plan_of(given).cautions)


def test_a_model_that_another_pool_would_not_carry_may_land_there() -> None:
    given = settings("g6e.2xlarge", maxModelLength=65536)
    small = {"name": "small", "instanceTypes": ["g5.2xlarge"], "max": 2}
    given["cluster"]["gpuPools"].append(small)  # type: ignore[index]

    plan = plan_of(given)

    assert plan.verdict == "fits"
    assert plan.cautions == (
        "llm does not fit on g5.2xlarge: the scheduler counts GPUs, not bytes, and may give the "
        "larger GPU to another model first; models.<role>.pool of every role holds each to its "
        "nodes",
    )
    assert f"  caution: {plan.cautions[0]}" in list(first_lines(plan))


def two_pools(llm: str, small: str = "g6.2xlarge") -> dict[str, object]:
    given = settings("g6e.2xlarge", pool=llm)
    given["cluster"]["gpuPools"].append(  # type: ignore[index]
        {"name": "small", "instanceTypes": [small], "max": 2}
    )
    given["models"] |= {role: {"pool": "small"} for role in ("embedding", "ranking")}  # type: ignore[operator]
    return given


def test_each_model_is_planned_on_its_own_pool_and_then_nothing_can_go_wrong() -> None:
    plan = plan_of(two_pools("gpu", "g4dn.2xlarge"))

    assert plan.verdict == "fits"
    where = {each.want.role: plan.placement.nodes[each.node].kind for each in plan.placement.placed}
    assert {role: kind.gpu.name for role, kind in where.items()} == {
        "llm": "L40S",
        "embedding": "T4",
        "ranking": "T4",
    }
    assert plan.cautions == ()


def test_a_pool_without_room_for_a_model_is_told_though_another_has_it() -> None:
    plan = plan_of(two_pools("small"))

    assert plan.verdict == "does not fit"
    assert why(plan) == {"ranking": "all GPUs of g6.2xlarge are taken"}
    assert why(plan_of(two_pools("elsewhere")))["llm"] == (
        "there is no GPU node of stackyard/pool=elsewhere"
    )


def test_a_pool_of_several_zones_may_bring_its_node_back_without_the_volume() -> None:
    given = settings("g5.2xlarge", nodes=3, cacheAccess="ReadWriteMany")
    given["cluster"]["zones"] = ["eu-x-1a", "eu-x-1b"]  # type: ignore[index]

    wide = plan_of(given).cautions
    given["cluster"]["gpuPools"][0]["zones"] = ["eu-x-1b"]  # type: ignore[index]

    assert wide == (
        "a lost node of pool gpu comes back in any of eu-x-1a, eu-x-1b, and a volume (embedding, "
        "ranking) stays in one: with one zone in its `zones` it finds it again",
    )
    assert plan_of(given).cautions == ()


def test_pools_keep_apart_what_would_not_share_a_gpu() -> None:
    given = two_pools("gpu", "g5.4xlarge")
    given["gpuOperator"] = {"sharing": "timeSlicing", "slices": 2}
    freed = {**given, "models": {"kind": "nim", "llm": {"maxModelLength": 8192}}}

    assert "counts slots" not in "\n".join(plan_of(given).cautions)
    assert "models.<role>.pool of every role keeps them apart" in "\n".join(plan_of(freed).cautions)


def test_nodes_of_a_cluster_are_chosen_by_the_labels_that_they_have() -> None:
    given = settings(nodeSelector={"card": "large"}) | {"cluster": {"kind": "existing"}}
    large, small = node_types()["g6e.2xlarge"], node_types()["g6.2xlarge"]
    supply = [
        Supply(small, 3, 200.0, labels={"card": "small"}),
        Supply(large, 1, 200.0, labels={"card": "large"}),
    ]

    plan = plan_of(given, nodes=supply)

    where = {each.want.role: plan.placement.nodes[each.node].kind for each in plan.placement.placed}
    assert where == {"llm": large, "embedding": small, "ranking": small}


def test_a_model_that_nobody_knows_leaves_the_verdict_open() -> None:
    plan = plan_of(settings("g6e.12xlarge", model="acme/own-7b"))

    assert plan.verdict == "unknown"
    assert plan.problems == ("nothing is known of acme/own-7b: its fit is not checked",)


def test_nodes_that_are_not_known_leave_the_verdict_open_and_a_pool_is_named() -> None:
    given = settings() | {"cluster": {"kind": "existing"}}

    plan = plan_of(given, unknown="the nodes are not known: no kubeconfig")

    assert plan.verdict == "unknown"
    assert "  would fit: 3 x g5.2xlarge" in list(first_lines(plan))


def test_an_existing_cluster_without_gpu_nodes_does_not_fit() -> None:
    given = settings() | {"cluster": {"kind": "existing"}}

    assert plan_of(given, nodes=[]).verdict == "does not fit"


def test_hosted_models_need_no_gpu() -> None:
    plan = plan_of({"cluster": {"kind": "eks"}, "models": {"kind": "hosted"}})

    assert plan.verdict == "nothing to place"
    assert plan.wants.elsewhere == {"llm": "hosted", "embedding": "hosted", "ranking": "hosted"}


def test_settings_with_dots_are_the_same_settings() -> None:
    flat = {"cluster.kind": "eks", "models.kind": "nim", "models.llm.maxModelLength": "8192"}

    wants = read_wants(flat)

    assert wants.cluster == "eks"
    assert wants.models[0].context == 8192


def test_a_wrong_value_is_named_with_its_setting() -> None:
    with pytest.raises(Trouble, match=r"stackyard:models.llm.maxModelLength is 'long'"):
        read_wants(settings("g5.2xlarge", maxModelLength="long"))


def test_the_deploy_is_summed_from_bytes_and_slower_on_a_slow_line() -> None:
    fast = plan_of(settings("g6e.4xlarge", sharing=SHARED))
    slow = plan_of(settings("g6e.4xlarge", sharing=SHARED), network_mbps=100)

    assert [stage.name for stage in fast.stages] == [
        *("cluster", "nodes", "driver", "image pull", "weights", "load", "warm-up")
    ]
    pull = {stage.name: stage for stage in slow.stages}["image pull"]
    assert pull.bytes == 30_100_000_000
    assert pull.seconds == pytest.approx(30.1e9 / (100e6 / 8))
    assert slow.seconds > fast.seconds


def test_what_does_not_fit_has_no_time_and_no_outage() -> None:
    plan = plan_of(settings("g6e.2xlarge"))

    assert plan.stages == ()
    assert plan.outages == ()


def test_a_spare_shortens_a_drain_by_the_boot_of_a_node() -> None:
    drain = plan_of(settings("g6e.4xlarge", sharing=SHARED)).outages[0]

    assert drain.event == "drain"
    assert drain.seconds - drain.with_spare_seconds == pytest.approx(300)
    assert drain.spare == "1 more g6e.4xlarge in the volume's zone"


def test_json_and_text_say_the_same() -> None:
    plan = plan_of(settings("g6e.4xlarge", sharing=SHARED))

    read = as_json(plan)

    assert read["verdict"] == "fits"
    assert sum(read["models"][0]["terms"].values()) == read["models"][0]["bytes"]
    assert read["models"][0]["kvTokens"] > 100_000
    assert f"holds {read['models'][0]['kvTokens']} tokens" in "\n".join(lines(plan))


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("NVIDIA-A10G", "A10G"),
        ("NVIDIA-L40S-SHARED", "L40S"),
        ("NVIDIA-L4", "L4"),
        ("Tesla-T4", "T4"),
        ("NVIDIA-H100-80GB-HBM3", "H100-80GB"),
        ("NVIDIA-A100-SXM4-40GB", "A100-40GB"),
        ("NVIDIA-A100-SXM4-80GB-MIG-1g.10gb", "A100-80GB"),
        ("h100", "H100-80GB"),
    ],
)
def test_a_product_label_names_its_gpu(label: str, name: str) -> None:
    assert gpu_named(label).name == name


def test_an_unknown_gpu_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Trouble, match="GPU 'NVIDIA-V100' is not known; known are T4, A10G"):
        gpu_named("NVIDIA-V100")


@pytest.mark.parametrize(
    "image",
    [
        "nvcr.io/nim/meta/llama-3.1-8b-instruct:2.0.13",
        "registry.local:5000/mirror/nim/meta/llama-3.1-8b-instruct@sha256:" + 64 * "a",
    ],
)
def test_an_image_names_its_model_also_in_a_private_registry(image: str) -> None:
    model = model_named(None, image, "llm")

    assert model is not None
    assert model.name == "meta/llama-3.1-8b-instruct"


@given(
    kinds=st.lists(st.sampled_from(sorted(node_types())), min_size=1, max_size=4),
    slices=st.integers(min_value=1, max_value=4),
    context=st.integers(min_value=1, max_value=131072),
)
def test_no_placement_passes_a_gpu_a_core_or_the_memory(
    kinds: list[str], slices: int, context: int
) -> None:
    sharing = {"sharing": "timeSlicing", "slices": slices}
    wants = read_wants(settings(sharing=sharing, maxModelLength=context))

    placement = place(wants, [Host(node_types()[name], 200.0) for name in kinds])

    assert len(placement.placed) + len(placement.unplaced) == 3
    for node in placement.nodes:
        assert all(sum(taken) <= room_of(node.kind.gpu).bytes for taken in node.gpus)
        assert all(len(taken) <= slices for taken in node.gpus)
        assert node.cpus <= usable_cpus(node.kind)
        assert node.memory_gib <= usable_memory_gib(node.kind)


def test_nodes_given_by_hand_stand_in_for_the_pools() -> None:
    supply = [Supply(node_types()["g6e.12xlarge"], 1, 200.0)]

    assert plan_of(settings("g5.xlarge"), nodes=supply).verdict == "fits"
