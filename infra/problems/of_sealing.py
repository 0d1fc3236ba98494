"""Pure, but for looking at a file: what a sealed stack would let out, and the files it is given."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from infra.components.gpu_operator_values import target_of
from infra.lock import Lock
from infra.problems.of_lock import unpinned
from infra.problems.telling import PROJECT, hint
from infra.reach import AllowList, addresses, allow_list, outside
from infra.registry import parse
from infra.schema import ModelSettings, Settings
from infra.schema.gpu_choices import operator_mode
from infra.schema.models import ROLES
from infra.schema.scaling_choices import keda_mode

CA_BYTES = 900_000  # a ConfigMap has at most 1 MiB
NVIDIA_KEYS = ("ngcApiKey", "nvidiaApiKey", "NVIDIA_EMBEDDINGS_KEY")
KEY_VARIABLES = {"NGC_API_KEY", "NGC_CLI_API_KEY", "NVIDIA_API_KEY", "HF_TOKEN"}
# variable -> the value that keeps a model server quiet
QUIET = {"DO_NOT_TRACK": {"1"}, "NIM_TELEMETRY_MODE": {"0"}, "VLLM_NO_USAGE_STATS": {"1"}}
TELEMETRY = re.compile(r"TELEMETRY|USAGE_STATS|OTEL_EXPORTER|SENTRY|ANALYTICS")
# where users come in, not where anything goes out
INBOUND = ("app.url",)


def sealing_problems(
    settings: Settings, secrets: frozenset[str], lock: Lock | None
) -> Iterable[str]:
    """Return a problem for each thing that a sealed stack would let out.

    Without a lock, only digests are not asked for.
    """
    yield from _files(settings)
    if not settings.airgapped:
        if settings.network.allowed:
            yield (
                f"{PROJECT}:network.allowed: is set; it is only for airgapped 'true'\n"
                f"      hint: pulumi config rm --path '{PROJECT}:network.allowed'"
            )
        return
    allowed = allow_list(settings)
    yield from _place(settings)
    for role in ROLES:
        yield from _model(settings, role, allowed)
    yield from _provider(settings, allowed)
    yield from _bucket(settings)
    yield from _addresses(settings, allowed)
    yield from _keys(settings, secrets)
    yield from _operator(settings)
    yield from _keda(settings)
    if lock is not None:
        yield from unpinned(settings, lock)


def _files(settings: Settings) -> Iterator[str]:
    path = settings.registry.ca
    if path is None:
        return
    try:
        text = Path(path).expanduser().read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        yield f"{_is('registry.ca', path)}, which cannot be read: {why}\n{_set_ca()}"
        return
    if "-----BEGIN CERTIFICATE-----" not in text:
        yield f"{_is('registry.ca', path)}, which has no certificate in PEM form\n{_set_ca()}"
    if "PRIVATE KEY" in text:
        yield f"{_is('registry.ca', path)}, which has a private key; every pod would get it"
    if len(text) > CA_BYTES:
        yield f"{_is('registry.ca', path)} of {len(text)} bytes; pods get at most {CA_BYTES}"


def _place(settings: Settings) -> Iterator[str]:
    cluster, registry = settings.cluster, settings.registry
    if cluster.kind == "local":
        yield (
            f"{_sealed()}; a local cluster is made from public images\n"
            f"{hint('cluster.kind', 'existing')}"
        )
    if cluster.kind == "eks" and cluster.endpoint != "private":
        yield (
            f"{_is('cluster.endpoint', cluster.endpoint)}; {_sealed(short=True)} leaves no way in "
            f"from outside either\n{hint('cluster.endpoint', 'private')}"
        )
    if not registry.mirrored:
        yield (
            f"{PROJECT}:registry.mirrored: is false; with airgapped 'true' every image is in the "
            f"private registry\n{hint('registry.mirrored', 'true')}"
        )


def _model(settings: Settings, name: str, allowed: AllowList) -> Iterator[str]:
    role = settings.models.role(name)
    where, kind = f"models.{name}", settings.models.kind_of(role)
    if kind == "hosted":
        yield from _hosted(role, where, allowed)
    if kind != "nim":
        return
    if role.profile is None:
        yield (
            f"{PROJECT}:{where}.profile: is not set; unpinned, a NIM may choose a profile whose "
            f"files are not there\n{hint(f'{where}.profile', 'ID')}"
        )
    if role.artefact is not None:
        yield from _artefact(role.artefact, where)
    host = (settings.registry.host or "").partition(":")[0]
    if not role.preloaded and _is_name(host) and not allowed.ranges:
        yield (
            f"{PROJECT}:network.allowed: has no range of addresses; network policies know no "
            f"names, and the files of {where} are pulled from '{host}'\n"
            f"{hint('network.allowed[0]', '10.0.0.10/32')}"
        )


def _is_name(host: str) -> bool:
    return bool(host) and not host.replace(".", "").isdigit()


def _artefact(artefact: str, where: str) -> Iterator[str]:
    try:
        pinned = parse(artefact).digest is not None
    except ValueError as error:
        yield f"{PROJECT}:{where}.artefact: {error}\n{hint(f'{where}.artefact', 'NAME@sha256:...')}"
        return
    if not pinned:
        yield (
            f"{_is(f'{where}.artefact', artefact)}; it needs a digest\n"
            f"{hint(f'{where}.artefact', f'{artefact}@sha256:...')}"
        )


def _hosted(role: ModelSettings, where: str, allowed: AllowList) -> Iterator[str]:
    if role.url is None:
        yield (
            f"{PROJECT}:{where}.url: is not set, so the model is NVIDIA's, outside\n"
            f"{hint(f'{where}.url', 'https://HOST-OF-YOURS/v1')}"
        )
        return
    for _, host, _ in addresses(role.url):
        named = _is_name(host) and not host.endswith((".svc", ".local"))
        if named and allowed.allows(host) and not allowed.ranges:
            yield (
                f"{PROJECT}:network.allowed: has no range of addresses; network policies know no "
                f"names, and {where}.url is at '{host}'\n"
                f"{hint('network.allowed[1]', '10.0.0.10/32')}"
            )


def _provider(settings: Settings, allowed: AllowList) -> Iterator[str]:
    """Ask for the range of what else pods call, as for a model's."""
    ocr = settings.models.ocr
    called = {
        "access.oidc": settings.access.asked_provider,
        "models.ocr": ocr and ocr.url,
        "app.traces": settings.app.traces,
        "backup.s3": settings.backup.s3 and settings.backup.s3.endpoint,
        "network.proxy.http": settings.network.proxy.http,
        "network.proxy.https": settings.network.proxy.https,
    }
    for where, url in called.items():
        for _, host, _ in addresses(url or ""):
            if _is_name(host) and not host.endswith((".svc", ".local")) and not allowed.ranges:
                yield (
                    f"{PROJECT}:network.allowed: has no range of addresses; network policies know "
                    f"no names, and {where} is at '{host}'\n"
                    f"{hint('network.allowed[1]', '10.0.0.10/32')}"
                )


def _bucket(settings: Settings) -> Iterator[str]:
    s3 = settings.backup.s3
    if s3 is not None and s3.endpoint is None:
        yield (
            f"{PROJECT}:backup.s3.endpoint: is not set, so the bucket is AWS's, outside\n"
            f"{hint('backup.s3.endpoint', 'https://HOST-OF-YOURS')}"
        )


def _addresses(settings: Settings, allowed: AllowList) -> Iterator[str]:
    """Look at every text of the settings: what is added later is looked at, too."""
    for path, text in texts(settings.model_dump(by_alias=True)):
        if path in INBOUND:
            continue
        for url in outside(text, allowed):
            yield (
                f"{PROJECT}:{path}: names '{url}', which is neither the cluster, the registry, nor "
                f"in network.allowed\n{hint('network.allowed[0]', 'HOST')}"
            )


def texts(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield path and text of every leaf."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from texts(each, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for index, each in enumerate(value):
            yield from texts(each, f"{path}[{index}]")


def _keys(settings: Settings, secrets: frozenset[str]) -> Iterator[str]:
    for name in NVIDIA_KEYS:
        if name in secrets:
            yield (
                f"{PROJECT}:{name}: is set; sealed off it is of no use, and must not be in the "
                f"cluster\n      hint: pulumi config rm {PROJECT}:{name}"
            )
    for role in ROLES:
        for name, value in settings.models.role(role).environment.items():
            where = f"{PROJECT}:models.{role}.environment.{name}"
            remove = f"      hint: pulumi config rm --path '{where}'"
            if name in KEY_VARIABLES:
                yield f"{where}: is a key of a service outside\n{remove}"
            elif name in QUIET and value not in QUIET[name]:
                quiet = min(QUIET[name])
                yield f"{where}: is '{value}'; sealed off it is '{quiet}'\n{remove}"
            elif name not in QUIET and TELEMETRY.search(name) and value not in ("0", "false"):
                yield f"{where}: is '{value}', which turns telemetry on\n{remove}"


def _operator(settings: Settings) -> Iterator[str]:
    operator = settings.gpu_operator
    if operator_mode(settings) != "install":
        return
    target = target_of(settings)
    if target is not None and target.driver and operator.driver_packages is None:
        yield (
            f"{PROJECT}:gpuOperator.driverPackages: is not set; the driver's container installs "
            "packages of the node's system from the internet, unless a ConfigMap names the site's "
            f"sources, or the nodes bring the driver\n{hint('gpuOperator.driver', 'false')}"
        )


def _keda(settings: Settings) -> Iterator[str]:
    if keda_mode(settings) == "install" and settings.keda.chart is None:
        yield (
            f"{PROJECT}:keda.chart: is not set, so the chart comes from KEDA's site, outside\n"
            f"{hint('keda.chart', 'keda-2.20.2.tgz')}"
        )


def _sealed(*, short: bool = False) -> str:
    return "airgapped 'true'" if short else f"{PROJECT}:airgapped: is true"


def _is(key: str, value: object) -> str:
    return f"{PROJECT}:{key}: is '{value}'"


def _set_ca() -> str:
    return hint("registry.ca", "ca.crt")
