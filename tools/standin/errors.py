"""The errors of the stand-in; each message ends in what to do next."""


class StandInError(Exception):
    """Something that the user has to know; its text is the message."""


class UnreachableError(StandInError):
    """The API server did not answer."""


class NotOursError(StandInError):
    """A cluster or a state that the stand-in must not touch."""


class ApiError(StandInError):
    """The API server refused a request."""

    def __init__(
        self,
        what: str,
        status: int,
        reason: str,
        message: str,
        conflicts: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(f"{what}: {message or reason or status}")
        self.what = what
        self.status = status
        self.reason = reason
        self.message = message
        self.conflicts = conflicts  # pairs of field and what holds it


class NotReadyError(StandInError):
    """An object was made and is not ready; the reasons say why."""

    def __init__(self, summary: str, reasons: list[str]) -> None:
        super().__init__("\n".join([summary, *(f"  {reason}" for reason in reasons)]))
        self.summary = summary
        self.reasons = reasons


class UnknownKindError(StandInError):
    """The API server does not serve this kind (yet)."""
