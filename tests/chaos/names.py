"""A DNS server of our own, and an app that asks no other; then it is gone.

The app has an /etc/resolv.conf to itself, in a mount namespace: that takes root.
"""

import os
import shutil
import socket
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

from tests.chaos.seen import Seen
from tests.chaos.yard import is_right, seconds_until, yard
from tests.local.qdrant.serving import Serving

ADDRESS, PORT = "127.0.0.153", 53
NAME = "store.test"


class Names:
    """Says that NAME is on this machine, until it is gone."""

    def __init__(self) -> None:
        self._thread = threading.Thread()
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        self.come()
        return self

    def __exit__(self, *_: object) -> None:
        self.go()

    def come(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((ADDRESS, PORT))
        self._thread = threading.Thread(target=_serve, args=[self._socket], daemon=True)
        self._thread.start()

    def go(self) -> None:
        if self._socket is not None:
            with suppress(OSError):  # it has no peer, and yet this is what wakes its reader
                self._socket.shutdown(socket.SHUT_RDWR)
            self._thread.join()
            self._socket.close()
            self._socket = None


def _serve(names: socket.socket) -> None:
    """Answer what is asked for an address of IPv4; of other kinds there is none."""
    while True:
        asked, peer = names.recvfrom(512)
        if peer is None:
            return
        end = asked.index(b"\0", 12) + 5
        found = asked[end - 4 : end - 2] == b"\0\1"
        head = asked[:2] + b"\x81\x80" + b"\0\1" + (b"\0\1" if found else b"\0\0") + b"\0" * 4
        record = b"\xc0\x0c\0\1\0\1\0\0\0\x05\0\4" + socket.inet_aton("127.0.0.1")
        names.sendto(head + asked[12:end] + (record if found else b""), peer)


def why_no_names() -> str | None:
    """Return why an app here can have no DNS server to itself; None where it can."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return "an app can have no DNS server to itself here: run it as root, with unshare"
    try:
        with Names():
            return None
    except OSError as error:
        return f"{ADDRESS}:{PORT} cannot be had: {error.strerror}"


def names_gone(folder: Path, _scale: int) -> Seen:
    """DNS goes, and then the connections that were open; both come back."""
    settings = folder / "resolv.conf"
    settings.write_text(f"nameserver {ADDRESS}\noptions timeout:1 attempts:1\n")
    bound = f'mount --bind {settings} /etc/resolv.conf && exec "$@"'
    prefix = ("unshare", "--mount", "sh", "-c", bound, "sh")
    # the double of Qdrant ends each connection after one answer
    store = Serving(folder / "store")
    with ExitStack() as stack:
        stack.callback(store.kill)
        store.start()
        names = stack.enter_context(Names())
        it = stack.enter_context(yard(folder, prefix=prefix, store_url=store.url, store_name=NAME))
        before = is_right(it.ask())  # which opens what a question goes over
        names.go()
        open_still = before and is_right(it.ask())
        it.store.become("away")
        it.store.become("none")
        refused = it.ask()
        ready = it.missing()
        names.come()
        back = seconds_until(lambda: is_right(it.ask()))
    told = (refused.status_code, "Retry-After" in refused.headers)
    kept = open_still and told == (503, True) and ready == ["qdrant"] and back < 5
    said = (
        f"open connections go on: {open_still}; without: {refused.status_code}, /readyz names"
        f" {ready}, back after {back:.1f} s"
    )
    return Seen(kept, said, {"back_after": back})
