"""What the kernel and the system of this machine allow, read and never assumed."""

import os
import shutil
import subprocess
import time
from pathlib import Path

CAP_SYS_RESOURCE = 24  # linux/capability.h

APT_PACKAGES = {
    "dockerd": "docker.io",
    "mmdebstrap": "mmdebstrap",
    "ip": "iproute2",
    "iptables": "iptables",
    "nsenter": "util-linux",
    "skopeo": "skopeo",
}
LOCK_SECONDS = 600
LOCK_PAUSE_SECONDS = 3.0
# apt itself waits for dpkg's lock alone, and only when told to; for its lists we do
LOCK_WAIT = ("-o", f"DPkg::Lock::Timeout={LOCK_SECONDS}")


class MissingOnMachine(RuntimeError):
    """Something that cannot be provided here; the text says what and what to do instead."""


def has_sys_resource() -> bool:
    """Say whether containers may be given CAP_SYS_RESOURCE."""
    status = Path("/proc/self/status").read_text()
    bounding = next(line for line in status.splitlines() if line.startswith("CapBnd:"))
    return bool(int(bounding.split()[1], 16) >> CAP_SYS_RESOURCE & 1)


def has_cgroup_v2() -> bool:
    """Say whether the machine runs the unified cgroup hierarchy."""
    return Path("/sys/fs/cgroup/cgroup.controllers").exists()


def is_root() -> bool:
    """Say whether this process may make network namespaces and install packages."""
    return os.geteuid() == 0


def system_path(name: str) -> str | None:
    """Return where the system keeps an executable; sbin counts though it is on few users' PATH."""
    return shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")


def install_packages(programs: list[str]) -> None:
    """Install the Debian packages of the given programs that are absent.

    Raises MissingOnMachine where that is impossible.
    """
    packages = [APT_PACKAGES[name] for name in programs if system_path(name) is None]
    if not packages:
        return
    wanted = " ".join(packages)
    if not is_root() or system_path("apt-get") is None:
        who = "root and apt-get" if system_path("apt-get") is None else "root"
        message = (
            f"Docker is not running and {wanted} cannot be installed without {who}\n"
            "hint: start Docker and run `make up` again, or run the same service without "
            "containers: stackyard serve"
        )
        raise MissingOnMachine(message)
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *LOCK_WAIT, *packages],
    ):
        done = _run_apt(command)
        if done.returncode:
            message = (
                f"`{' '.join(command)}` failed: {done.stderr.strip()[-400:]}\n"
                f"hint: install {wanted} by hand, or run: stackyard serve"
            )
            raise MissingOnMachine(message)


def _run_apt(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run apt, waiting while another one (a fresh machine upgrades itself) holds its lists."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    give_up = time.monotonic() + LOCK_SECONDS
    while True:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if "Could not get lock" not in done.stderr or time.monotonic() > give_up:
            return done
        time.sleep(LOCK_PAUSE_SECONDS)
