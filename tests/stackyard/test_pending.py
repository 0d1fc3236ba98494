"""What a killed run was making: told where nobody can know whether it is there."""

from stackyard.pending import Pending, twice_in_aws


def pending(kind: str, name: str, *, operation: str = "creating") -> Pending:
    urn = f"urn:pulumi:eks::stackyard::{kind}::{name}"
    return {"type": operation, "resource": {"type": kind, "urn": urn}}


def test_what_aws_may_have_made_is_named_with_the_command_that_shows_it() -> None:
    begun = [pending("aws:ec2/vpc:Vpc", "net-vpc"), pending("aws:ec2/eip:Eip", "net-nat")]

    assert twice_in_aws("eks", begun) == [
        "AWS may have made Vpc net-vpc, Eip net-nat for the killed run, and the next up makes "
        "another; remove what is there twice\nhint: aws resourcegroupstaggingapi get-resources "
        "--tag-filters Key=stackyard:stack,Values=eks"
    ]


def test_what_has_a_name_of_its_own_is_made_once_and_needs_no_word() -> None:
    begun: list[Pending] = [
        pending("kubernetes:apps/v1:Deployment", "rag"),
        pending("aws:ec2/vpc:Vpc", "net-vpc", operation="updating"),
        {"type": "creating"},
    ]

    assert twice_in_aws("eks", begun) == []
