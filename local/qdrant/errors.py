"""The one error that a request can end in, with Qdrant's status codes."""


class ApiError(Exception):
    """Refuse a request with an HTTP status and a text for the caller."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class StartError(Exception):
    """Refuse to start, with what to do about it."""


def bad_request(message: str) -> ApiError:
    return ApiError(400, f"Wrong input: {message}")


def format_error(message: str) -> ApiError:
    return ApiError(400, f"Format error in JSON body: {message}")


def not_found(message: str) -> ApiError:
    return ApiError(404, f"Not found: {message}")


def unsupported(what: str) -> ApiError:
    """Say that Qdrant may know this, but the subset served here does not."""
    return ApiError(
        501,
        f"Not in this subset of Qdrant: {what}. "
        "hint: use a Qdrant server where you need it (local/qdrant/README.md lists the subset)",
    )
