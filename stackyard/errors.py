"""What goes wrong, in words: the one place that turns an exception into a message and a hint."""

import errno
import subprocess

import httpx

UP_OR_SERVE = "hint: stackyard up, or without containers: stackyard serve"


class Trouble(Exception):
    """Something that the person at the keyboard can do something about; the text ends in a hint."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(f"{what}\nhint: {hint}")


class ServiceError(Exception):
    """The service answered with a problem document."""

    def __init__(self, status: int, kind: str, title: str, detail: str, stage: str | None) -> None:
        super().__init__(f"{title}: {detail}" if detail else title)
        self.status = status
        self.kind = kind.rpartition(":")[2]
        self.stage = stage


class NotThere(Exception):
    """Nothing answers at the service's address."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"nothing answers at {url}: {reason}")


def explain(error: BaseException) -> str:
    """Return the message for a person: what happened, and the next command."""
    if isinstance(error, KeyboardInterrupt):
        return "stopped\nhint: run the same command again, it carries on from here"
    if isinstance(error, ServiceError):
        return _explain_service(error)
    if isinstance(error, NotThere):
        return f"{error}\n{UP_OR_SERVE}"
    if isinstance(error, httpx.TimeoutException):
        return (
            f"the service did not answer in time ({type(error).__name__})\nhint: stackyard status"
        )
    if isinstance(error, httpx.HTTPError):
        return f"the connection to the service broke: {error}\nhint: stackyard status"
    if isinstance(error, subprocess.CalledProcessError):
        return _explain_process(error)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        where = f" ({error.filename})" if error.filename else ""
        return f"the disk is full{where}\nhint: free some space and run the same command again"
    text = str(error)
    if "hint:" in text:  # Trouble, and the toolchain's own errors, already say what to do
        return text
    kind = type(error).__name__
    return f"{text or kind} ({kind})\nhint: STACKYARD_DEBUG=1 in front of the command shows where"


def _explain_service(error: ServiceError) -> str:
    stage = f" (stage {error.stage})" if error.stage else ""
    if error.status == 401:
        return f"the service refuses the key: {error}\nhint: stackyard key prints the right one"
    if error.status == 403:
        return (
            f"this key may not do that: {error}\nhint: an admin creates keys: stackyard keys create"
        )
    if error.status == 503:
        return f"the service cannot do that now{stage}: {error}\nhint: stackyard status"
    if error.status >= 500:
        return f"the service failed{stage}: {error}\nhint: stackyard logs app"
    return f"the service refused this{stage}: {error}\nhint: stackyard status shows what is there"


def _explain_process(error: subprocess.CalledProcessError) -> str:
    command = error.cmd if isinstance(error.cmd, str) else " ".join(str(part) for part in error.cmd)
    said = error.stderr or error.output or ""
    text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
    tail = "\n".join(text.strip().splitlines()[-12:])
    return (
        f"`{command}` ended with {error.returncode}" + (f":\n{tail}" if tail else "") + "\n"
        "hint: stackyard doctor"
    )
