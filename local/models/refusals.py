"""Why a request is not answered, in the two shapes that NIM clients read."""

from dataclasses import dataclass, field

import orjson
from starlette.responses import Response

RETRY_AFTER_SECONDS = 1
# NIM for language models names the kinds as vLLM does; the retrievers use OpenAI's words.
CHAT_KINDS = {
    400: "BadRequestError",
    404: "NotFoundError",
    413: "BadRequestError",
    422: "UnprocessableEntityError",
    429: "RateLimitError",
    503: "ServiceUnavailableError",
}
RETRIEVER_KINDS = {
    404: "not_found_error",
    429: "rate_limit_error",
    500: "internal_server_error",
    503: "service_unavailable",
}


@dataclass
class Refusal(Exception):
    """Stops a request with this status; `problems` names each field that is wrong."""

    status: int
    message: str
    problems: list[str] = field(default_factory=list)

    @property
    def headers(self) -> dict[str, str]:
        """Return when to come back, where that can help."""
        return {"retry-after": str(RETRY_AFTER_SECONDS)} if self.status in (429, 503) else {}

    def for_chat(self) -> dict[str, object]:
        """Return the body of a language model's error."""
        kind = CHAT_KINDS.get(self.status, "InternalServerError")
        return {
            "error": {
                "message": self.message,
                "type": kind,
                "param": None,
                "code": self.status,
            }
        }

    def for_retriever(self) -> dict[str, object]:
        """Return the body of an embedding or ranking model's error."""
        return {
            "object": "error",
            "message": self.message,
            "detail": {"errors": self.problems} if self.problems else {},
            "type": RETRIEVER_KINDS.get(self.status, "invalid_request_error"),
        }


class ClientGone(Exception):
    """The client hung up, so nobody is left to answer."""


def json_response(
    body: object, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """Return the body as JSON; orjson, because vectors are most of what is sent."""
    return Response(
        orjson.dumps(body), status_code=status, headers=headers, media_type="application/json"
    )
