"""What one look at a live object says."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """Ready, still on its way, or failed for good."""

    ready: bool
    text: str = ""
    failed: bool = False


READY = Verdict(ready=True)


def waiting(text: str) -> Verdict:
    """Say what is still missing."""
    return Verdict(ready=False, text=text)


def failed(text: str) -> Verdict:
    """Say why waiting longer would not help."""
    return Verdict(ready=False, text=text, failed=True)
