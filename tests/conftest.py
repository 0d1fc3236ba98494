"""Settings that hold for every tier."""

import os

# Read once, when Haystack is imported; with telemetry on, the import writes to the home directory.
os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"
