"""Settings that hold for every tier."""

import os

from hypothesis import settings

# Read once, when Haystack is imported; with telemetry on, the import writes to the home directory.
os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"

# How long an example takes says something about the machine, not about the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
