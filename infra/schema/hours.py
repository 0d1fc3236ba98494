"""Pure: times of the day as KEDA and AWS's scheduled actions both read them."""

from collections.abc import Sequence


def cron(clock: str, days: Sequence[str], *, later: int = 0) -> str:
    """Return a time of the clock on some days as cron, so many minutes later that day."""
    hour, minute = map(int, clock.split(":"))
    at = min(hour * 60 + minute + later, 24 * 60 - 1)
    return f"{at % 60} {at // 60} * * {','.join(days)}"
