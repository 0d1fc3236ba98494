"""What must stay secret: marked in outputs, masked in messages."""

import base64
import contextlib
import re
import threading
from typing import Any

from tools.standin.wire import Manifest, Secret, plain, secret_texts, texts

MASK = "[secret]"
# Masking a shorter text would garble every message that happens to hold it.
SHORTEST_MASKED = 4
SHORTEST_EMBEDDED = 8
ASSIGNED = re.compile(
    r"(?i)((?:password|passwd|secret|token|api[-_]?key|authorization|credential)s?[\"']?\s*[=:]\s*[\"']?)"
    r"(?:bearer\s+)?[^\s\"',;&]+"
)


class Redactor:
    """Remembers every secret that passed through this process and masks it in messages."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: set[str] = set()

    def learn(self, value: Any) -> None:
        """Take in the secrets of a resource's inputs."""
        found = set(secret_texts(value))
        if isinstance(value, dict) and is_secret_object(plain(value)):
            for field in ("data", "stringData"):
                found.update(texts(value.get(field)))
        forms = {form for text in found for form in _forms(text)}
        with self._lock:
            self._known.update(form for form in forms if len(form) >= SHORTEST_MASKED)

    def clean(self, message: str) -> str:
        """Return the message with every known secret masked."""
        with self._lock:
            known = sorted(self._known, key=len, reverse=True)
        for secret in known:
            message = message.replace(secret, MASK)
        return message

    def clean_log(self, text: str) -> str:
        """Return a line that a program wrote, also without what looks like a credential."""
        return ASSIGNED.sub(rf"\1{MASK}", self.clean(text))


def _forms(text: str) -> set[str]:
    forms = {text, text.strip(), base64.b64encode(text.encode()).decode()}
    with contextlib.suppress(ValueError):  # most secrets are not base64 of text
        forms.add(base64.b64decode(text, validate=True).decode())
    forms.update(line.strip() for line in text.splitlines())
    return forms


def is_secret_object(value: Manifest) -> bool:
    """Tell whether this is a core Secret."""
    return value.get("kind") == "Secret" and value.get("apiVersion") == "v1"


def concealed(outputs: Manifest, inputs: Manifest) -> Manifest:
    """Mark in the outputs what is secret in the inputs, wherever the server put it."""
    marked = _marked(outputs, inputs)
    secrets = {
        form
        for text in secret_texts(inputs)
        for form in _forms(text)
        if len(form) >= SHORTEST_MASKED
    }
    result: Manifest = _marked_by_value(marked, secrets) if secrets else marked
    if is_secret_object(plain({key: result.get(key) for key in ("kind", "apiVersion")})):
        for field in ("data", "stringData"):
            if field in result:
                result[field] = Secret(plain(result[field]))
    return result


def _marked(output: Any, given: Any) -> Any:
    if isinstance(output, Secret):
        return output
    if isinstance(given, Secret):
        return Secret(plain(output))
    if isinstance(output, dict) and isinstance(given, dict):
        return {
            key: _marked(value, given[key]) if key in given else value
            for key, value in output.items()
        }
    if isinstance(output, list) and isinstance(given, list) and any(secret_texts(given)):
        if len(output) != len(given):
            return Secret(plain(output))
        return [_marked(a, b) for a, b in zip(output, given, strict=True)]
    return output


def _marked_by_value(value: Any, secrets: set[str]) -> Any:
    if isinstance(value, dict):
        return {key: _marked_by_value(item, secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [_marked_by_value(item, secrets) for item in value]
    if isinstance(value, str) and (
        value in secrets or any(len(s) >= SHORTEST_EMBEDDED and s in value for s in secrets)
    ):
        return Secret(value)
    return value
