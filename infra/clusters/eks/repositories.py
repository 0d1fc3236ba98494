"""The account's image repositories: one for each image that this stack pushes."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws


@dataclass(frozen=True, kw_only=True)
class RepositoriesArgs:
    paths: Sequence[str]


class Repositories(pulumi.ComponentResource):
    """Some repositories, by path."""

    made: dict[str, aws.ecr.Repository]

    def __init__(
        self, name: str, args: RepositoriesArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stackyard:eks:Repositories", name, None, opts)
        self.made = {
            path: aws.ecr.Repository(
                f"{name}-{path.replace('/', '-')}",
                name=path,
                # A push that was cut off is repeated under its tag, which is the content's hash;
                # pods name digests, so that a moved tag would move nothing.
                image_tag_mutability="MUTABLE",
                image_scanning_configuration=aws.ecr.RepositoryImageScanningConfigurationArgs(
                    scan_on_push=True
                ),
                encryption_configurations=[
                    # by the key that AWS keeps for ECR
                    aws.ecr.RepositoryEncryptionConfigurationArgs(encryption_type="KMS")
                ],
                force_delete=True,  # all of it can be built or copied again
                opts=pulumi.ResourceOptions(parent=self),
            )
            for path in args.paths
        }
        self.register_outputs({})
