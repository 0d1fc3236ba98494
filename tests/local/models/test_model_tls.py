"""The server over TLS, asked for as a NIM is."""

import ssl
from pathlib import Path

import httpx
import pytest

from local.models.__main__ import web_server
from local.models.server import Server
from local.models.settings import load_settings
from tests.fakes.authority import Authority
from tests.local.models.fakes import FakeEngines, never_fails, running, wait_for


def test_it_speaks_tls_by_the_pair_that_it_is_given_and_nothing_else(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.pair("embedding")
    settings = load_settings(
        {
            "NIM_SSL_MODE": "TLS",
            "NIM_SSL_CERTS_PATH": str(pair.certificate),
            "NIM_SSL_KEY_PATH": str(pair.key),
        }
    )
    server = Server(settings, FakeEngines().load, never_fails)
    trusted = ssl.create_default_context(cafile=authority.file)

    with running(web_server(server.app(), settings.tls)) as address:
        wait_for(lambda: server.loaded.engines is not None)
        ready = httpx.get(f"https://{address}/v1/health/ready", verify=trusted)
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://{address}/v1/health/ready")

    assert ready.status_code == 200
