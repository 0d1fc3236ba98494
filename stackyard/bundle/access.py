"""How a registry is reached, and what its refusals mean."""

import base64
import json
import re
from dataclasses import dataclass
from pathlib import Path

from stackyard.errors import Trouble


@dataclass(frozen=True, kw_only=True)
class Access:
    """How one registry is reached: what it asks for, and what it is trusted by."""

    host: str
    username: str | None = None
    password: str | None = None
    ca: Path | None = None
    plain: bool = False  # HTTP without TLS

    def __repr__(self) -> str:
        return f"Access({self.host})"


class Refused(Trouble):
    """The registry answered with an error; `status` is its code."""

    def __init__(self, status: int, what: str, hint: str) -> None:
        super().__init__(what, hint)
        self.status = status


# status -> what it means, and the next step
MEANING = {
    401: ("refuses the user or the password", "check --username and --password-file"),
    403: (
        "forbids it to this user",
        "give the user push and pull on the project, and make the project if there is none "
        "(Harbor makes none by itself); a full quota also says 403",
    ),
    404: ("does not have it", "check the name, the prefix and the project"),
    412: (
        "wants a signature first",
        "make the bundle with --key, so that signatures travel, or trust its key in the registry",
    ),
    413: (
        "or the proxy before it takes no upload of this size",
        "raise its limit (nginx: client_max_body_size 0) and run the same command again",
    ),
    429: ("asks to be left alone for a while", "wait, or log in, then run the same command again"),
    507: ("has no space left", "free space there and run the same command again"),
}
# what Harbor says is more than its status: a missing project and a missing right are 401 there
# (src/pkg/quota/errors.go, src/server/middleware/v2auth/auth.go of its v2)
SAID = (
    (
        re.compile(r"quota|exceed the configured upper limit", re.I),
        ("has no quota left for it", "raise the project's quota, then run it again"),
    ),
    (
        re.compile(r"project \S+ not found", re.I),
        (
            "has no such project",
            "make the project first, Harbor makes none by itself; then run the same command again",
        ),
    ),
    (re.compile("unauthorized to access repository", re.I), MEANING[403]),
)


def refused(status: int, host: str, what: str, said: str = "") -> Refused:
    """Return the error for a registry's answer."""
    meaning, hint = MEANING.get(
        status, ("failed", "look into its log, then run the same command again")
    )
    meaning, hint = next((told for words, told in SAID if words.search(said)), (meaning, hint))
    detail = f": {said[:200]}" if said else ""
    return Refused(status, f"{what}: {host} answered {status}, it {meaning}{detail}", hint)


def access_from(
    host: str,
    *,
    authfile: Path | None = None,
    ca: Path | None = None,
    plain: bool = False,
) -> Access:
    """Return the access to a registry with what `docker login` wrote into a file."""
    username = password = None
    if authfile is not None and authfile.is_file():
        auths = json.loads(authfile.read_text() or "{}").get("auths", {})
        names = (host, f"https://{host}/v1/", f"https://index.{host}/v1/")
        entry: dict[str, str] = next((auths[name] for name in names if name in auths), {})
        if "auth" in entry:
            username, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
    return Access(host=host, username=username, password=password, ca=ca, plain=plain)
