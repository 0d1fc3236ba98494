"""`python -m app`: read the environment, open the port, serve until told to stop."""

import socket
import sys

from app import log
from app.memory import leave_out_telemetry, load_store_client
from app.settings import (
    Settings,
    SettingsProblem,
    load_settings,
    prepare_frameworks,
    trust_authorities,
)


def listen(settings: Settings) -> socket.socket:
    """Open the port, or say which setting is in the way."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((settings.host, settings.port))
    except OSError as error:
        opened.close()
        message = (
            f"RAG_HOST is {settings.host!r} and RAG_PORT is {settings.port}: {error.strerror}"
            "\nhint: set RAG_PORT to a free port, or end the process that holds this one"
        )
        raise SettingsProblem(message) from None
    return opened


def main() -> int:
    """Run the service; 2 means that the environment is wrong."""
    prepare_frameworks()
    log.configure()
    try:
        settings = load_settings()
        trust_authorities(settings)
        opened = listen(settings)
        leave_out_telemetry()
        load_store_client()
        # Imported late: Haystack and Hayhooks read the environment while they are imported.
        from app.running import run

        run(settings, opened)
    except SettingsProblem as problem:
        print(problem, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
