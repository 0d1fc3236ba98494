"""What a killed run was making: told where nobody can know whether it is there."""

from pathlib import Path

from stackyard.pending import Pending, drop_cut_attributes, twice_in_aws


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


def test_what_was_cut_off_beside_a_state_file_is_removed_and_nothing_else(tmp_path: Path) -> None:
    whole, cut = tmp_path / "stacks/a.json.attrs", tmp_path / "stacks/b.json.attrs"
    state = tmp_path / "stacks/b.json"
    whole.parent.mkdir()
    whole.write_text('{"md5": ""}')
    cut.write_text("")
    state.write_text("")

    drop_cut_attributes(tmp_path)
    drop_cut_attributes(None)

    assert (whole.exists(), cut.exists(), state.exists()) == (True, False, True)
