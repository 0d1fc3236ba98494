"""Three small models on the CPU behind the HTTP contract of NVIDIA NIM."""

import os

# Libraries read these once, when they are loaded, so they are set before any of them can be.
# onnxruntime 1.32 opens a telemetry database and a device id in the home directory otherwise.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
# llama.cpp's threads wait for each other some hundred times per token. Spinning there costs
# everything as soon as a neighbour wants the CPU: two threads on two busy cores wrote 4 to 13
# tokens/s with spinning and 36 to 79 without, for a fifth of the CPU time.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
