"""The nodes of an EKS cluster: one CPU pool, any number of GPU pools, each a managed group."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.clusters.aws_place import TAG
from infra.clusters.eks import bottlerocket
from infra.labels import POOL
from infra.schema import GpuOperatorSettings
from infra.schema.cluster import GpuPool, SystemPool
from infra.schema.hours import cron
from infra.schema.scaling import Hours

GPU_TAINT = "nvidia.com/gpu"  # the key that the GPU operator tolerates by default
GPU_LABEL = "stackyard/gpu"
MIG_LABEL = "nvidia.com/mig.config"
SYSTEM_IMAGE = "AL2023_x86_64_STANDARD"
GPU_IMAGES = {"al2023": "AL2023_x86_64_NVIDIA", "bottlerocket": "BOTTLEROCKET_x86_64_NVIDIA"}
CAPACITIES = {"on-demand": "ON_DEMAND", "spot": "SPOT"}
DATA_DEVICES = {"al2023": "/dev/xvda", "bottlerocket": "/dev/xvdb"}  # where images are kept
GP3_IOPS = 3000  # the least, and free
IOPS_PER_THROUGHPUT = 4  # gp3 gives at most 0.25 MiB/s an operation
AUTOSCALER = "k8s.io/cluster-autoscaler/node-template"
LATER_MINUTES = 15  # than the models: the last answers end, and KEDA waits for five without any


@dataclass(frozen=True, kw_only=True)
class PoolArgs:
    stack: str
    cluster: pulumi.Input[str]
    version: str
    role_arn: pulumi.Input[str]
    subnets: Sequence[aws.ec2.Subnet]
    settings: SystemPool | GpuPool
    operator: GpuOperatorSettings
    after: Sequence[pulumi.Resource]  # what a node needs to join
    hours: Hours | None = None  # of GPU nodes; None: always


class Pool(pulumi.ComponentResource):
    """One managed node group with a launch template of its own."""

    group: aws.eks.NodeGroup

    def __init__(
        self, name: str, args: PoolArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stackyard:eks:Pool", name, None, opts)
        pool = args.settings
        gpu = pool if isinstance(pool, GpuPool) else None
        short = name_of(pool)
        labels = {POOL: short, **(_gpu_labels(gpu, args.operator) if gpu else {})}
        template = self._template(name, args, gpu, short)
        self.group = aws.eks.NodeGroup(
            f"{name}-group",
            cluster_name=args.cluster,
            # a new group comes before the old one goes, so each needs a name of its own
            node_group_name_prefix=f"{short}-",
            node_role_arn=args.role_arn,
            subnet_ids=[subnet.id for subnet in args.subnets],
            version=args.version,
            ami_type=GPU_IMAGES[gpu.ami] if gpu else SYSTEM_IMAGE,
            capacity_type=CAPACITIES[gpu.capacity] if gpu else "ON_DEMAND",
            # EC2 takes the first type, in any of the zones, that it has capacity for
            instance_types=pool.instance_types,
            scaling_config=aws.eks.NodeGroupScalingConfigArgs(
                min_size=pool.min, desired_size=pool.desired, max_size=pool.max
            ),
            launch_template=aws.eks.NodeGroupLaunchTemplateArgs(
                id=template.id, version=template.latest_version.apply(str)
            ),
            labels=labels,
            taints=(
                [aws.eks.NodeGroupTaintArgs(key=GPU_TAINT, value="present", effect="NO_SCHEDULE")]
                if gpu
                else None
            ),
            update_config=aws.eks.NodeGroupUpdateConfigArgs(max_unavailable=1),
            node_repair_config=aws.eks.NodeGroupNodeRepairConfigArgs(enabled=True),
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=list(args.after),
                # at night the schedule's number stands
                ignore_changes=["scalingConfig.desiredSize"] if gpu and args.hours else None,
                custom_timeouts=pulumi.CustomTimeouts(create="40m", update="60m", delete="40m"),
            ),
        )
        if gpu:
            self._tell_autoscaler(name, labels)
            if args.hours is not None:
                self._schedule(name, gpu, args.hours)
        self.register_outputs({"name": self.group.node_group_name})

    def _template(
        self, name: str, args: PoolArgs, gpu: GpuPool | None, short: str
    ) -> aws.ec2.LaunchTemplate:
        throughput = gpu.disk_throughput if gpu else None
        # the provider's default tags do not reach what EC2 makes from a template
        tags = {"Name": f"stackyard-{args.stack}-{short}", TAG: args.stack}
        return aws.ec2.LaunchTemplate(
            f"{name}-template",
            name_prefix=f"stackyard-{args.stack}-{short}-",
            update_default_version=True,
            user_data=(
                bottlerocket.user_data(gpu.instance_types, args.operator)
                if gpu and gpu.ami == "bottlerocket"
                else None
            ),
            metadata_options=aws.ec2.LaunchTemplateMetadataOptionsArgs(
                http_endpoint="enabled",
                http_tokens="required",  # IMDSv2
                http_put_response_hop_limit=1,  # pods do not reach the node's role
            ),
            block_device_mappings=[
                aws.ec2.LaunchTemplateBlockDeviceMappingArgs(
                    device_name=DATA_DEVICES[gpu.ami if gpu else "al2023"],
                    ebs=aws.ec2.LaunchTemplateBlockDeviceMappingEbsArgs(
                        volume_size=args.settings.disk_gb,
                        volume_type="gp3",
                        throughput=throughput,
                        iops=(
                            max(GP3_IOPS, throughput * IOPS_PER_THROUGHPUT) if throughput else None
                        ),
                        encrypted="true",
                        delete_on_termination="true",
                    ),
                )
            ],
            tag_specifications=[
                aws.ec2.LaunchTemplateTagSpecificationArgs(resource_type=kind, tags=tags)
                for kind in ("instance", "volume")
            ],
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _schedule(self, name: str, pool: GpuPool, hours: Hours) -> None:
        """Have no node outside of the hours; the volumes of model files stay."""
        start, end = cron(hours.start, hours.days), cron(hours.end, hours.days, later=LATER_MINUTES)
        for action, recurrence, least, desired in (
            ("start", start, pool.min, pool.desired),
            ("end", end, 0, 0),
        ):
            aws.autoscaling.Schedule(
                f"{name}-{action}",
                autoscaling_group_name=self.group.resources.apply(_scaling_group),
                scheduled_action_name=f"stackyard-{action}",
                recurrence=recurrence,
                time_zone=hours.time_zone,
                min_size=least,
                desired_capacity=desired,
                max_size=pool.max,
                opts=pulumi.ResourceOptions(parent=self),
            )

    def _tell_autoscaler(self, name: str, labels: dict[str, str]) -> None:
        """Let a cluster autoscaler know what a node of an empty group would be."""
        scaling_group = self.group.resources.apply(_scaling_group)
        tags = {f"{AUTOSCALER}/label/{key}": value for key, value in labels.items()}
        tags[f"{AUTOSCALER}/taint/{GPU_TAINT}"] = "present:NoSchedule"
        for number, (key, value) in enumerate(sorted(tags.items())):
            aws.autoscaling.Tag(
                f"{name}-scale-{number}",
                autoscaling_group_name=scaling_group,
                tag=aws.autoscaling.TagTagArgs(key=key, value=value, propagate_at_launch=False),
                opts=pulumi.ResourceOptions(parent=self),
            )


def _gpu_labels(pool: GpuPool, operator: GpuOperatorSettings) -> dict[str, str]:
    """Return what says that a node has GPUs, and how the operator's MIG manager cuts them."""
    cut = operator.mig_profile if pool.ami == "al2023" and operator.sharing == "mig" else None
    return {GPU_LABEL: "true", **({MIG_LABEL: cut} if cut is not None else {})}


def _scaling_group(resources: Sequence[aws.eks.outputs.NodeGroupResource]) -> str:
    (resource,) = resources
    (group,) = resource.autoscaling_groups or ()
    return str(group.name)


def name_of(pool: SystemPool | GpuPool) -> str:
    """Return a pool's name; only GPU pools choose one."""
    return pool.name if isinstance(pool, GpuPool) else "system"
