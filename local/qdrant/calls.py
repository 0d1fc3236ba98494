"""What a handler gets: path, query and body of one request, read on demand."""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from local.qdrant.errors import bad_request, format_error
from local.qdrant.fields import Fields, Json

# they tell a cluster how to agree; one process always agrees with itself
AGREEMENT = frozenset({"ordering", "consistency", "timeout"})


@dataclass(frozen=True)
class Call:
    """One request."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    content: bytes

    @property
    def name(self) -> str:
        return self.path["collection_name"]

    def json(self) -> Json:
        if not self.content:
            message = "EOF while parsing a value, the body is empty"
            raise format_error(message)
        try:
            value: Json = orjson.loads(self.content)
        except orjson.JSONDecodeError as error:
            raise format_error(str(error)) from error
        return value

    def fields(self) -> Fields:
        """Read the body as an object; a shard key is refused with the rest of the leftovers."""
        return Fields(self.json(), "")

    def waits(self) -> bool:
        text = self.query.get("wait", "false").lower()
        if text not in ("true", "false"):
            message = f"query parameter wait is '{text}', it must be true or false"
            raise bad_request(message)
        return text == "true"
