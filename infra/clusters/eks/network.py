"""The network of an EKS cluster: private subnets for everything, public ones for the way out."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.clusters.aws_place import private_blocks, public_blocks
from infra.schema.cluster import ClusterSettings

INTERNAL_ELB = {"kubernetes.io/role/internal-elb": "1"}  # where load balancers look for subnets
PUBLIC_ELB = {"kubernetes.io/role/elb": "1"}
# what a cluster without internet calls (EKS user guide, "private clusters")
PRIVATE_SERVICES = (
    *("ec2", "ecr.api", "ecr.dkr", "sts", "eks", "eks-auth", "elasticloadbalancing", "logs"),
    *("autoscaling", "ssm"),
)


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    stack: str
    region: str
    settings: ClusterSettings


class Network(pulumi.ComponentResource):
    """One VPC; `private` is a zone's subnet, `ways` is what a node needs to reach anything."""

    private: dict[str, aws.ec2.Subnet]
    ways: list[pulumi.Resource]

    def __init__(
        self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stackyard:eks:Network", name, None, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        self._args, self._name = args, name
        settings = args.settings
        self.vpc = aws.ec2.Vpc(
            f"{name}-vpc",
            cidr_block=settings.vpc_cidr,
            enable_dns_hostnames=True,  # interface endpoints answer by name
            enable_dns_support=True,
            tags=self._tags("vpc"),
            opts=self._child,
        )
        # without rules: what names no security group of its own gets no traffic
        aws.ec2.DefaultSecurityGroup(
            f"{name}-default", vpc_id=self.vpc.id, tags=self._tags("unused"), opts=self._child
        )
        self.private = self._subnets(
            "private", private_blocks(settings.vpc_cidr, len(settings.zones)), INTERNAL_ELB
        )
        gateways = self._internet() if settings.endpoint == "public" else {}
        tables = {
            zone: self._table(f"private-{zone[-1]}", self.private[zone], nat_gateway=gateway)
            for zone, gateway in (gateways or dict.fromkeys(settings.zones)).items()
        }
        self.ways = [way for table in tables.values() for way in table[1]]
        self._gateway_endpoint([table.id for table, _ in tables.values()])
        if settings.endpoint == "private":
            self._interface_endpoints()
        self.register_outputs({"vpcId": self.vpc.id})

    def _subnets(
        self, kind: str, blocks: list[str], purpose: dict[str, str]
    ) -> dict[str, aws.ec2.Subnet]:
        return {
            zone: aws.ec2.Subnet(
                f"{self._name}-{kind}-{zone[-1]}",
                vpc_id=self.vpc.id,
                availability_zone=zone,
                cidr_block=block,
                map_public_ip_on_launch=False,
                tags={**self._tags(f"{kind}-{zone[-1]}"), **purpose},
                opts=self._child,
            )
            for zone, block in zip(self._args.settings.zones, blocks, strict=True)
        }

    def _internet(self) -> dict[str, aws.ec2.NatGateway]:
        """Make the way out and return each zone's NAT gateway; nothing comes in by it."""
        settings = self._args.settings
        blocks = public_blocks(settings.vpc_cidr, len(settings.zones))
        public = self._subnets("public", blocks, PUBLIC_ELB)
        gateway = aws.ec2.InternetGateway(
            f"{self._name}-internet",
            vpc_id=self.vpc.id,
            tags=self._tags("internet"),
            opts=self._child,
        )
        routed: list[pulumi.Resource] = []
        for zone, subnet in public.items():
            routed += self._table(f"public-{zone[-1]}", subnet, internet=gateway)[1]
        made: list[aws.ec2.NatGateway] = []
        for zone in settings.zones if settings.nat == "perZone" else settings.zones[:1]:
            # the gateway goes after the addresses that it carries, or AWS refuses to detach it
            after = pulumi.ResourceOptions(parent=self, depends_on=[gateway, *routed])
            address = aws.ec2.Eip(
                f"{self._name}-nat-{zone[-1]}", domain="vpc", tags=self._tags("nat"), opts=after
            )
            made.append(
                aws.ec2.NatGateway(
                    f"{self._name}-nat-{zone[-1]}",
                    allocation_id=address.id,
                    subnet_id=public[zone].id,
                    tags=self._tags(f"nat-{zone[-1]}"),
                    opts=after,
                )
            )
        return {zone: made[index % len(made)] for index, zone in enumerate(settings.zones)}

    def _table(
        self,
        name: str,
        subnet: aws.ec2.Subnet,
        *,
        internet: aws.ec2.InternetGateway | None = None,
        nat_gateway: aws.ec2.NatGateway | None = None,
    ) -> tuple[aws.ec2.RouteTable, list[pulumi.Resource]]:
        """Make a subnet's routes; return the table and what must exist before it is used."""
        table = aws.ec2.RouteTable(
            f"{self._name}-{name}", vpc_id=self.vpc.id, tags=self._tags(name), opts=self._child
        )
        ways: list[pulumi.Resource] = []
        if internet is not None or nat_gateway is not None:
            # a route of its own, because one written into the table would undo the endpoint's
            ways.append(
                aws.ec2.Route(
                    f"{self._name}-{name}-out",
                    route_table_id=table.id,
                    destination_cidr_block="0.0.0.0/0",
                    gateway_id=internet.id if internet else None,
                    nat_gateway_id=nat_gateway.id if nat_gateway else None,
                    opts=self._child,
                )
            )
        ways.append(
            aws.ec2.RouteTableAssociation(
                f"{self._name}-{name}",
                route_table_id=table.id,
                subnet_id=subnet.id,
                opts=self._child,
            )
        )
        return table, ways

    def _gateway_endpoint(self, tables: list[pulumi.Output[str]]) -> None:
        """Reach S3, where the layers of images lie, without the NAT gateway's price."""
        self.ways.append(
            aws.ec2.VpcEndpoint(
                f"{self._name}-s3",
                vpc_id=self.vpc.id,
                service_name=f"com.amazonaws.{self._args.region}.s3",
                vpc_endpoint_type="Gateway",
                route_table_ids=tables,
                tags=self._tags("s3"),
                opts=self._child,
            )
        )

    def _interface_endpoints(self) -> None:
        group = aws.ec2.SecurityGroup(
            f"{self._name}-endpoints",
            vpc_id=self.vpc.id,
            description="HTTPS from inside the network to AWS's own services",
            ingress=[
                aws.ec2.SecurityGroupIngressArgs(
                    protocol="tcp",
                    from_port=443,
                    to_port=443,
                    cidr_blocks=[self._args.settings.vpc_cidr],
                    description="from the nodes and pods",
                )
            ],
            egress=[],
            tags=self._tags("endpoints"),
            opts=self._child,
        )
        for service in PRIVATE_SERVICES:
            self.ways.append(
                aws.ec2.VpcEndpoint(
                    f"{self._name}-{service.replace('.', '-')}",
                    vpc_id=self.vpc.id,
                    service_name=f"com.amazonaws.{self._args.region}.{service}",
                    vpc_endpoint_type="Interface",
                    subnet_ids=[subnet.id for subnet in self.private.values()],
                    security_group_ids=[group.id],
                    private_dns_enabled=True,
                    tags=self._tags(service),
                    opts=self._child,
                )
            )

    def _tags(self, name: str) -> dict[str, str]:
        return {"Name": f"stackyard-{self._args.stack}-{name}"}
