"""One connection to a service: its address, its key, and what its refusals mean."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import BinaryIO, Self

import httpx

from stackyard.errors import NotThere, ServiceError, Trouble
from stackyard.replies import Json

ASK_SECONDS = 180.0  # the first answer on two busy cores; the service has limits of its own


class Connection:
    """Sends requests of one key to one address."""

    def __init__(
        self,
        url: str,
        key: str | None,
        *,
        timeout: float = ASK_SECONDS,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.key = key
        self.trust = trust
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        # trust_env off: a proxy of the company's must not be asked for 127.0.0.1
        self._http = httpx.Client(
            base_url=self.url,
            headers=headers,
            timeout=timeout,
            trust_env=not _is_here(self.url),
            verify=True if trust is None else trust,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._http.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        refuse: bool = True,
        timeout: float | None = None,
        json: Json | None = None,
        content: Iterator[bytes] | None = None,
        headers: dict[str, str] | None = None,
        params: dict[str, str] | None = None,
        data: dict[str, str] | None = None,
        files: dict[str, tuple[str, BinaryIO]] | None = None,
    ) -> httpx.Response:
        """Return an answer. Raises NotThere, and ServiceError for a refusal unless told not to."""
        try:
            response = self._http.request(
                method,
                path,
                json=json,
                content=content,
                headers=headers,
                params=params,
                data=data,
                files=files,
                timeout=httpx.USE_CLIENT_DEFAULT if timeout is None else timeout,
            )
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise NotThere(self.url, str(error)) from None
        if refuse and response.is_error:
            raise refusal(response)
        return response

    @contextmanager
    def streamed(
        self, method: str, path: str, *, json: Json | None = None, timeout: float | None = None
    ) -> Iterator[httpx.Response]:
        """Give an answer whose body is still to come. Raises as `send` does."""
        chosen = httpx.USE_CLIENT_DEFAULT if timeout is None else timeout
        try:
            with self._http.stream(method, path, json=json, timeout=chosen) as response:
                if response.is_error:
                    response.read()
                    raise refusal(response)
                yield response
        except httpx.ConnectError as error:
            raise NotThere(self.url, str(error)) from None


def trusting(authorities: str) -> ssl.SSLContext:
    """Return what trusts these authorities (PEM) and no others. Raises ValueError for none."""
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cadata=authorities)
    if not context.cert_store_stats()["x509"]:
        message = "there is no certificate in it"
        raise ValueError(message)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def pinned(certificate: str) -> ssl.SSLContext:
    """Return what trusts the first certificate of a PEM, whatever its names, and nothing else."""
    first, end, _ = certificate.partition("-----END CERTIFICATE-----")
    context = trusting(f"{first}{end}\n")
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _is_here(url: str) -> bool:
    return httpx.URL(url).host in ("127.0.0.1", "localhost", "::1")


def body_of(response: httpx.Response) -> Json:
    """Return an answer's JSON object. Raises Trouble where it is something else."""
    try:
        read = response.json()
    except ValueError:
        read = None
    if isinstance(read, dict):
        return read
    kind = response.headers.get("content-type", "no content type")
    message = f"{response.url} answered {response.status_code} with {kind} instead of JSON"
    raise Trouble(message, "is that the address of a stackyard service?")


def refusal(response: httpx.Response) -> ServiceError:
    """Return the error that a refused request stands for."""
    return problem(response.status_code, body_of(response))


def problem(status: int, body: Json) -> ServiceError:
    """Return the error of a problem document."""
    stage, errors = body.get("stage"), body.get("errors")
    detail = str(body.get("detail", ""))
    if isinstance(errors, list):
        detail = "; ".join(f"{entry['at']}: {entry['reason']}" for entry in errors) or detail
    return ServiceError(
        status,
        str(body.get("type", "")),
        str(body.get("title", f"HTTP status {status}")),
        detail,
        str(stage) if stage else None,
    )
