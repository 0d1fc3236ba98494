"""What the engine starts: `pulumi preview --policy-pack policy`."""

import sys
from pathlib import Path

from pulumi_policy import EnforcementLevel, PolicyPack

# the engine starts this file by its path, so the project is not on the path yet
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from policy.pack import policies

PolicyPack("stackyard", policies(), enforcement_level=EnforcementLevel.MANDATORY)  # type: ignore[arg-type]
