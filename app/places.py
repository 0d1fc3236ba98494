"""How many requests run at once: in all, and of one caller."""

from app.problems import busy

SHARE = 2  # one caller has at most this part of the places, so that there are some for others


class Places:
    """As many as `total`; use it from one thread."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._share = max(1, total // SHARE)
        self._of: dict[str, int] = {}
        self.taken = 0

    @property
    def full(self) -> bool:
        """Say whether nobody can take one now."""
        return self.taken >= self._total

    def take(self, whose: str | None) -> None:
        """Take a place, of no caller's share where that is None; raise a Problem, 429."""
        if self.taken >= self._total:
            raise busy(self._total)
        if whose is not None:
            held = self._of.get(whose, 0)
            if held >= self._share:
                raise busy(self._share, " of yours")
            self._of[whose] = held + 1
        self.taken += 1

    def leave(self, whose: str | None) -> None:
        """Give back a place that was taken for the same."""
        self.taken -= 1
        if whose is None:
            return
        left = self._of[whose] - 1
        if left:
            self._of[whose] = left
        else:
            del self._of[whose]
