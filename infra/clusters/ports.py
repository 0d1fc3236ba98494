"""Pure, but for one look at this machine: the ports of a local stack on 127.0.0.1."""

import socket
import zlib
from dataclasses import dataclass

from infra.command import Trouble

FIRST, STEP, STACKS = 20000, 10, 1000


@dataclass(frozen=True)
class Ports:
    """The three neighbouring ports of a local stack."""

    url: int

    @property
    def api(self) -> int:
        return self.url + 1

    @property
    def registry(self) -> int:
        return self.url + 2


def ports_of(stack: str, chosen: int | None) -> Ports:
    """Return the chosen ports, or those that follow from the stack's name."""
    derived = FIRST + STEP * (zlib.crc32(stack.encode()) % STACKS)
    return Ports(derived if chosen is None else chosen)


def refuse_taken(base: int, *ports: int) -> None:
    """Raise if another process listens on one of the ports."""
    for port in ports:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                message = (
                    f"port {port} on 127.0.0.1 is in use; setting cluster.port, here {base}, "
                    "decides it and may be any from 1024 to 65533"
                )
                hint = "pulumi config set --path stackyard:cluster.port PORT"
                raise Trouble(message, hint) from None
