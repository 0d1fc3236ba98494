"""A real, certified OpenID provider in a process: npm's oidc-provider, pinned by its lock file."""

import base64
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

HERE = Path(__file__).parent / "oidc"
RESOURCE = "https://rag.example.org"
SECRET = "rag-secret-of-the-tests"  # of the client `rag`, as provider.mjs has it


def installed() -> Path:
    """Return the folder with the provider and its packages, installed once for a lock file."""
    lock = (HERE / "package-lock.json").read_bytes()
    script = (HERE / "provider.mjs").read_bytes()
    cache = Path(os.environ.get("STACKYARD_CACHE", Path.home() / ".cache/stackyard"))
    folder = cache / "npm" / hashlib.sha256(lock + script).hexdigest()[:16]
    if folder.is_dir():
        return folder
    partial = folder.with_name(f"{folder.name}.{os.getpid()}")
    shutil.copytree(HERE, partial)
    subprocess.run(
        ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
        cwd=partial,
        check=True,
        capture_output=True,
        timeout=280,
    )
    try:
        partial.rename(folder)
    except OSError:  # another run was first
        shutil.rmtree(partial)
    return folder


class OidcProvider:
    """`issuer` stays the same over restarts; every start has new signing keys."""

    def __init__(self) -> None:
        self.port = _free_port()
        self.issuer = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        jwk = {**json.loads(RSAAlgorithm.to_jwk(key)), "kid": uuid.uuid4().hex, "use": "sig"}
        jwk.pop("key_ops", None)
        self._process = subprocess.Popen(
            ["node", "provider.mjs", str(self.port)],
            cwd=installed(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"keys": [jwk]}))
        self._process.stdin.close()
        said = []
        for line in self._process.stdout:
            said.append(line)
            if line == "listening\n":
                return
        raise AssertionError("".join(said))

    def stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(timeout=20)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def settings_of_an_app(self, folder: Path) -> dict[str, str]:
        """Return the environment of an app that signs browsers in here, at a port of its own."""
        secret = folder / "secret"
        secret.write_text(f"{SECRET}\n")
        port = _free_port()
        roles = {"admin": ["ops"], "contributor": ["writers"], "reader": ["hr"]}
        return {
            "RAG_PORT": str(port),
            "RAG_PUBLIC_URL": f"http://127.0.0.1:{port}",
            "RAG_OIDC_ISSUER": self.issuer,
            "RAG_OIDC_AUDIENCE": '["stackyard"]',
            "RAG_OIDC_ROLES": json.dumps(roles),
            "RAG_OIDC_CLIENT_ID": "rag",
            "RAG_OIDC_CLIENT_SECRET_FILE": str(secret),
            "RAG_OIDC_SCOPES": '["groups"]',
        }

    def machine_token(self) -> str:
        """Return what a program gets for its secret."""
        response = httpx.post(
            f"{self.issuer}/token",
            data={"grant_type": "client_credentials", "scope": "ask", "resource": RESOURCE},
            auth=("robot", "robot-secret-of-the-tests"),
        )
        return str(response.raise_for_status().json()["access_token"])

    def user_token(self, name: str) -> str:
        """Sign a person in as a browser does: authorization code with PKCE, login, consent."""
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
        back = "http://127.0.0.1:9/back"
        asked = {
            "client_id": "page",
            "response_type": "code",
            "scope": "openid ask",
            "resource": RESOURCE,
            "redirect_uri": back,
            "code_challenge": challenge.decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        with httpx.Client(timeout=30) as browser:
            where = str(httpx.URL(f"{self.issuer}/auth", params=asked))
            code = parse_qs(urlsplit(sign_in(browser, where, name, back)).query)["code"][0]
            given = browser.post(
                f"{self.issuer}/token",
                data={
                    "grant_type": "authorization_code",
                    "client_id": "page",
                    "code": code,
                    "redirect_uri": back,
                    "code_verifier": verifier,
                    "resource": RESOURCE,
                },
            )
        return str(given.raise_for_status().json()["access_token"])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def sign_in(browser: httpx.Client, where: str, name: str, back: str) -> str:
    """Be somebody in front of a browser at the provider; return the address that it sends back to.

    `back` is how that address begins. It is not called.
    """
    response = browser.get(where)
    for _ in range(12):
        if response.is_redirect:
            where = urljoin(str(response.url), response.headers["location"])
            if where.startswith(back):
                return where
            response = browser.get(where)
            continue
        response.raise_for_status()
        action = re.search(r'<form[^>]*action="([^"]+)"', response.text)
        prompt = re.search(r'name="prompt" value="([^"]+)"', response.text)
        assert action is not None, response.text
        assert prompt is not None, response.text
        form = {"prompt": prompt[1], "login": name, "password": "any"}
        response = browser.post(urljoin(str(response.url), action[1]), data=form)
    message = f"no way back from {response.url}"
    raise AssertionError(message)
