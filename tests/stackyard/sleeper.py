"""A process that does nothing until it is told to end; or ends by itself with $SLEEPER_CODE."""

import os
import signal
import sys

if __name__ == "__main__":
    if "SLEEPER_DEAF" in os.environ:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print(f"sleeper {os.getpid()}", flush=True)
    if "SLEEPER_CODE" in os.environ:
        sys.exit(int(os.environ["SLEEPER_CODE"]))
    signal.pause()
