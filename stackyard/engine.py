"""The Pulumi engine as a process: the commands that anyone can type, carried on after a kill."""

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote, urlsplit

from infra.components.download_causes import cause_in
from stackyard.errors import Trouble
from stackyard.events import Progress
from stackyard.locks import Lock, locks_in
from stackyard.orphans import end_orphans
from stackyard.pending import Pending, drop_cut_attributes, twice_in_aws
from stackyard.progress import Tell
from stackyard.project import NAME, Stack

Resource = dict[str, object]  # as the engine exports it
MARK = "STACKYARD_OPERATION"
OTHER_RUN_SECONDS = 900  # an orphan of a killed `up` may be in the middle of building an image


class _Locked(Trouble):
    """Another run holds the stack."""


class Engine:
    """One stack through the `pulumi` command."""

    def __init__(self, stack: Stack, environment: Mapping[str, str]) -> None:
        self.stack = stack
        self.environment = {**environment, "PULUMI_DEBUG_COMMANDS": "true"}  # offers --event-log
        # worn by all that an operation starts, so that what outlives a killed one is found again
        self._mark = f"{MARK}={stack.home}"

    def select(self) -> None:
        """Make the stack if it is new, and select it so that plain `pulumi up` means the same."""
        self._run("stack", "select", "--create", self.stack.name)

    def exists(self) -> bool:
        listed = json.loads(self._run("stack", "ls", "--json", "--project", NAME))
        return any(entry["name"].rpartition("/")[2] == self.stack.name for entry in listed)

    def outputs(self) -> dict[str, object]:
        """Return the stack's outputs, secrets in plain; empty where there is no such stack."""
        try:
            said = self._run("stack", "output", "--json", "--show-secrets", stack=True)
        except subprocess.CalledProcessError as error:
            if "no stack named" in (error.stderr or "") or "no stack" in (error.stderr or ""):
                return {}
            raise
        read = json.loads(said)
        return read if isinstance(read, dict) else {}

    def secret(self, name: str) -> str | None:
        """Return a secret of the stack's settings in plain; None where it cannot be had."""
        try:
            return self._run("config", "get", f"{NAME}:{name}", stack=True).rstrip("\n") or None
        except subprocess.CalledProcessError:
            return None

    def resources(self) -> list[Resource]:
        deployment = self._export().get("deployment")
        found = deployment.get("resources") if isinstance(deployment, dict) else None
        return found if isinstance(found, list) else []

    def drop(self, gone: Callable[[Resource], bool]) -> None:
        """Take resources out of the state that are no more, and every mention of them."""
        exported = self._export()
        deployment = exported["deployment"]
        assert isinstance(deployment, dict)
        dropped = {str(each["urn"]) for each in deployment["resources"] if gone(each)}
        kept = [each for each in deployment["resources"] if each["urn"] not in dropped]
        for each in kept:
            each["dependencies"] = _without(dropped, each.get("dependencies"))
            by_property = each.get("propertyDependencies") or {}
            each["propertyDependencies"] = {
                name: _without(dropped, urns) for name, urns in by_property.items()
            }
        deployment["resources"] = kept
        self._run("stack", "import", stack=True, given=json.dumps(exported))

    def up(self, tell: Tell, *, refresh: bool = False) -> Progress:
        """Deploy; raise Trouble with the engine's own words where a resource fails."""
        return self._operate(["up", "--skip-preview", *(["--refresh"] if refresh else [])], tell)

    def destroy(self, tell: Tell) -> Progress:
        """Remove every resource, also the protected ones."""
        if any(resource.get("protect") for resource in self.resources()):
            self._run("state", "unprotect", "--all", "--yes", stack=True)
        return self._operate(["destroy", "--skip-preview"], tell)

    def forget(self) -> None:
        """Remove the stack's state, keep its settings file."""
        self._run("stack", "rm", "--yes", "--force", "--preserve-config", self.stack.name)

    def carry_on(self, tell: Tell) -> list[str]:
        """Clear what a killed run left: its lock, and the operations it was in the middle of."""
        done = []
        if self._wait_for_other(tell):
            end_orphans(self._mark)
            drop_cut_attributes(self._kept)
            self._run("cancel", "--yes", self.stack.name)
            done.append("removed the lock of a run that was killed")
        begun = self._clear_pending()
        if begun:
            done.append(f"took up {len(begun)} operation(s) that a killed run had begun")
        return done + twice_in_aws(self.stack.name, begun)

    def locks(self) -> list[Lock]:
        """Return the locks on this stack; none for a backend that is not a folder."""
        if self._kept is None:
            return []
        return locks_in(self._kept / "locks/organization" / NAME / self.stack.name)

    @cached_property
    def _kept(self) -> Path | None:
        """Return where the backend keeps everything; None for one that is not a folder."""
        backend = urlsplit(self.environment.get("PULUMI_BACKEND_URL") or self._logged_in_to())
        return Path(unquote(backend.path)) / ".pulumi" if backend.scheme == "file" else None

    def _logged_in_to(self) -> str:
        return str(json.loads(self._run("whoami", "--json")).get("url", ""))

    def _wait_for_other(self, tell: Tell) -> bool:
        """Wait for a run that is alive; say whether locks of dead ones are left."""
        end = time.monotonic() + OTHER_RUN_SECONDS
        while True:
            locks = self.locks()
            alive = [lock for lock in locks if lock.is_alive]
            if not alive:
                return bool(locks)
            if time.monotonic() > end:
                pid = alive[0].pid
                message = f"stack {self.stack.name} is held by another run, process {pid}"
                raise Trouble(message, f"wait for it, or end it with: kill -INT {pid}")
            tell(f"waiting for another run, process {alive[0].pid}")
            time.sleep(0.5)

    def _clear_pending(self) -> list[Pending]:
        exported = self._export()
        deployment = exported.get("deployment")
        pending = deployment.get("pending_operations") if isinstance(deployment, dict) else None
        if not isinstance(deployment, dict) or not pending:
            return []
        # Creation is idempotent in every resource of ours in a cluster (server-side apply, names
        # from the stack), so the next `up` takes them up; a refresh would need a cluster, perhaps
        # not there.
        del deployment["pending_operations"]
        self._run("stack", "import", stack=True, given=json.dumps(exported))
        return [dict(each) for each in pending]

    def _export(self) -> dict[str, object]:
        read = json.loads(self._run("stack", "export", stack=True))
        return read if isinstance(read, dict) else {}

    def _run(self, *arguments: str, stack: bool = False, given: str | None = None) -> str:
        if shutil.which("pulumi", path=self.environment.get("PATH")) is None:
            message = "pulumi is not on this machine"
            raise Trouble(message, "stackyard up provides it, or without it: stackyard serve")
        command = ["pulumi", *arguments, "--non-interactive", "--color", "never"]
        if stack:
            command += ["--stack", self.stack.name]
        done = subprocess.run(
            command,
            cwd=self.stack.project,
            env=self.environment,
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            _refuse_wrong_passphrase(self.stack, done.stderr)
            raise subprocess.CalledProcessError(
                done.returncode, command, output=done.stdout, stderr=done.stderr
            )
        return done.stdout

    def _operate(self, arguments: list[str], tell: Tell) -> Progress:
        try:
            return self._operate_once(arguments, tell)
        except _Locked:  # by a run that had started but not yet written its lock down
            self.carry_on(tell)
            return self._operate_once(arguments, tell)

    def _operate_once(self, arguments: list[str], tell: Tell) -> Progress:
        self.stack.home.mkdir(parents=True, exist_ok=True)
        events = self.stack.home / f"{arguments[0]}.events.jsonl"
        log = self.stack.home / f"{arguments[0]}.log"
        events.unlink(missing_ok=True)
        command = ["pulumi", *arguments, "--yes", "--non-interactive", "--color", "never"]
        command += ["--stack", self.stack.name, "--event-log", str(events)]
        progress = Progress()
        with log.open("w") as written:
            process = subprocess.Popen(
                command,
                cwd=self.stack.project,
                env={**self.environment, MARK: str(self.stack.home)},
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches it through _ends_with_us, once
            )
            with _ends_with_us(process):
                for line in _follow(events, process):
                    progress.read(line)
                    tell(progress.line())
        if process.returncode:
            _refuse_wrong_passphrase(self.stack, log.read_text())
            raise self._failure(arguments[0], progress, log)
        return progress

    def _failure(self, verb: str, progress: Progress, log: Path) -> Trouble:
        said = "\n".join(progress.errors) or "\n".join(log.read_text().strip().splitlines()[-15:])
        message = f"`pulumi {verb}` of stack {self.stack.name} failed:\n{said}"
        kind = _Locked if "the stack is currently locked by" in said else Trouble
        hint = f"the whole output is in {log}; when the cause is gone run the same command again"
        known = cause_in(said)
        if known is not None:
            message, hint = f"{message}\n{known.what}", f"{known.hint}; {hint}"
        return kind(message, hint)


class _ends_with_us:
    """Interrupt the process where this one is interrupted, and let it write its state."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, _error: object, _traceback: object) -> None:
        if kind is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()


def _follow(path: Path, process: "subprocess.Popen[bytes]") -> Iterator[str]:
    """Yield the whole lines of a growing file until its writer has ended, and "" now and then."""
    rest, offset = "", 0
    while True:
        ended = process.poll() is not None
        if path.exists():
            with path.open() as file:
                file.seek(offset)
                rest += file.read()
                offset = file.tell()
            *lines, rest = rest.split("\n")
            yield from lines
        yield ""
        if ended:
            return
        time.sleep(0.1)


def _without(dropped: set[str], urns: list[str] | None) -> list[str]:
    return [urn for urn in urns or [] if urn not in dropped]


def _refuse_wrong_passphrase(stack: Stack, said: str) -> None:
    if "incorrect passphrase" in said:
        message = f"the passphrase on this machine does not open stack {stack.name}"
        hint = (
            f"remove the line encryptionsalt from {stack.settings_file.name} if the stack is new "
            "here, or set PULUMI_CONFIG_PASSPHRASE to the one that it was made with"
        )
        raise Trouble(message, hint)
