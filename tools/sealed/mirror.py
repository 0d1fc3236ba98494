"""Make every port of 127.0.0.1 inside a network namespace reachable on the host's 127.0.0.1.

Run as `python -m tools.sealed.mirror NETNS PID`; ends with the process PID. The namespace has no
uplink and no address that the host could route to: a socket made inside it is the one way in.
"""

import asyncio
import contextlib
import ctypes
import functools
import os
import queue
import socket
import sys
import threading
from concurrent.futures import Future
from pathlib import Path

CLONE_NEWNET = 0x40000000
LOOPBACK = "0100007F"  # 127.0.0.1 as /proc/net/tcp prints it
LISTEN = "0A"
POLL_SECONDS = 0.2


class Namespace:
    """A thread that lives inside a network namespace and hands out sockets made there."""

    def __init__(self, name: str) -> None:
        self._path = Path("/run/netns", name)
        self._wanted: queue.Queue[Future[socket.socket]] = queue.Queue()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        descriptor = os.open(self._path, os.O_RDONLY)
        try:
            if libc.setns(descriptor, CLONE_NEWNET):
                code = ctypes.get_errno()
                raise OSError(code, os.strerror(code), str(self._path))
        finally:
            os.close(descriptor)
        while True:
            answer = self._wanted.get()
            try:
                answer.set_result(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            except OSError as error:
                answer.set_exception(error)

    async def connect(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection to 127.0.0.1:port inside the namespace."""
        answer: Future[socket.socket] = Future()
        self._wanted.put(answer)
        inside = await asyncio.wrap_future(answer)
        inside.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(inside, ("127.0.0.1", port))
        except OSError:
            inside.close()
            raise
        return await asyncio.open_connection(sock=inside)


def listening(pid: int) -> set[int]:
    """Return the ports that listen on 127.0.0.1 in the network namespace of a process."""
    rows = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    found = set()
    for row in rows:
        local, state = row.split()[1], row.split()[3]
        address, port = local.split(":")
        if state == LISTEN and address == LOOPBACK:
            found.add(int(port, 16))
    return found


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy one direction of a connection until its end, then close that direction only."""
    with contextlib.suppress(ConnectionError):
        while block := await reader.read(1 << 16):
            writer.write(block)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def join(
    namespace: Namespace, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Carry one connection of the host to the same port inside."""
    try:
        inner_reader, inner_writer = await namespace.connect(port)
    except OSError:
        writer.close()
        return
    try:
        await asyncio.gather(copy(reader, inner_writer), copy(inner_reader, writer))
    finally:
        for end in (writer, inner_writer):
            end.close()


async def mirror(netns: str, pid: int) -> None:
    """Follow the namespace's listening ports until the process ends."""
    namespace = Namespace(netns)
    servers: dict[int, asyncio.Server] = {}
    refused: set[int] = set()
    while Path(f"/proc/{pid}/net/tcp").exists():
        try:
            ports = listening(pid)
        except (FileNotFoundError, ProcessLookupError, OSError):
            break
        for port in ports - servers.keys():
            try:
                carry = functools.partial(join, namespace, port)
                servers[port] = await asyncio.start_server(carry, "127.0.0.1", port)
                refused.discard(port)
                print(f"127.0.0.1:{port} is mirrored", flush=True)
            except OSError as error:
                if port not in refused:
                    refused.add(port)
                    print(f"127.0.0.1:{port} cannot be mirrored: {error}", flush=True)
        for port in servers.keys() - ports:
            servers.pop(port).close()
            print(f"127.0.0.1:{port} is gone", flush=True)
        await asyncio.sleep(POLL_SECONDS)


if __name__ == "__main__":
    asyncio.run(mirror(sys.argv[1], int(sys.argv[2])))
