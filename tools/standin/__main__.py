"""Serves the stand-in: prints its port, then answers the engine until it is ended."""

import sys
from concurrent import futures

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from tools.standin.engine import Engine
from tools.standin.provider import StandIn

# The engine asks for many resources at once, and most of them only wait.
THREADS = 64
LARGEST_MESSAGE = 400 << 20


def serve(provider: StandIn) -> tuple[grpc.Server, int]:
    """Start the server on a free port of this machine's own address."""
    server = grpc.server(
        futures.ThreadPoolExecutor(THREADS),
        options=[
            ("grpc.max_receive_message_length", LARGEST_MESSAGE),
            ("grpc.max_send_message_length", LARGEST_MESSAGE),
        ],
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def main() -> None:
    """Run as a plugin: the engine's address is the last argument."""
    address = sys.argv[-1] if len(sys.argv) > 1 and ":" in sys.argv[-1] else ""
    server, port = serve(StandIn(Engine(address)))
    print(port, flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
