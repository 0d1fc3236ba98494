"""Pure: the checks of a sealed stack's objects, as its program, its charts and its images are."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from infra.reach import addresses
from stackyard.airgap.check import Check, Leak, checked
from stackyard.airgap.naming import address_leaks, host_leaks, image_leaks
from stackyard.airgap.part import Json, Part, Place, parts_of
from stackyard.airgap.ways_out import ways_out

KEYS = {
    *("NGC_API_KEY", "NGC_CLI_API_KEY", "NVIDIA_API_KEY", "HF_TOKEN", "OPENAI_API_KEY"),
    "HUGGING_FACE_HUB_TOKEN",
}
TELEMETRY = re.compile(r"TELEMETRY|USAGE_STATS|OTEL_EXPORTER|SENTRY|ANALYTICS|DO_NOT_TRACK")
OFF = {"DO_NOT_TRACK": {"1", "true"}, "NIM_TELEMETRY_MODE": {"0"}}
DISABLING = re.compile(r"DISABLED|DISABLE_|NO_USAGE|OPT_OUT|DO_NOT")
# workload's image -> the variables without which it reports
QUIET = {
    "/nim/": ("DO_NOT_TRACK", "NIM_TELEMETRY_MODE"),
    "/qdrant/": ("QDRANT__TELEMETRY_DISABLED",),
}
FETCHING = re.compile(
    r"\b(curl|wget|git clone|go install|apt-get|apt|apk|dnf|yum|npm|uv pip|pip3? install)\b"
)


def examine(
    resources: Sequence[Json],
    inventory: Iterable[Json],
    place: Place,
    charts: Mapping[str, Sequence[Json]],
    dockerfiles: Mapping[str, str],
) -> list[Check]:
    """Return every static check; `charts` has the rendered objects of each release by its name."""
    program = parts_of(resources)
    rendered = [
        Part(
            f"{release}: {each.get('kind')} {each.get('metadata', {}).get('name')}",
            str(each.get("kind")),
            each,
        )
        for release, objects in charts.items()
        for each in objects
    ]
    everything = [*program, *rendered]
    return [
        _images(everything, inventory, place),
        _addresses(everything, place),
        _hosts(everything, place),
        ways_out(program, place),
        _keys(everything),
        _telemetry(everything),
        _charts(program, charts, place),
        _builds(resources),
        _dockerfiles(dockerfiles),
    ]


def _images(parts: Sequence[Part], inventory: Iterable[Json], place: Place) -> Check:
    def leaks() -> Iterator[Leak]:
        for part in parts:
            if part.kind != "Release":  # its images are those of its rendered objects
                yield from image_leaks(part.name, part.value, place.host, place.prefix)
        for image in listed:
            told = {"image": image["image"]}
            yield from image_leaks(f"inventory {image['name']}", told, place.host, place.prefix)

    listed = list(inventory)
    return checked(
        "images",
        f"Is every image in {place.host}, by its digest? Also those that the GPU operator makes.",
        (f"{image['name']}: {image['image']}" for image in listed),
        leaks(),
    )


def _addresses(parts: Sequence[Part], place: Place) -> Check:
    found = {
        f"{part.name} names {host}" for part in parts for _, host, _ in addresses(str(part.value))
    }
    leaks = (leak for part in parts for leak in address_leaks(part.name, part.value, place.allowed))
    return checked(
        "addresses",
        "Is every address with a scheme, anywhere in an object, in the cluster or allowed?",
        (f"{len(parts)} objects read", *sorted(found)),
        leaks,
    )


def _hosts(parts: Sequence[Part], place: Place) -> Check:
    leaks = (
        leak
        for part in parts
        if part.kind not in ("Provider", "CustomResourceDefinition", "Release")
        for leak in host_leaks(part.name, part.value, place.allowed)
    )
    return checked(
        "hosts",
        "Is every host in a variable, argument, configuration or Service inside or allowed?",
        [f"{len(parts)} objects read"],
        leaks,
    )


def _containers(part: Part) -> Iterator[Json]:
    spec = part.value.get("spec")
    pod = spec.get("template", {}).get("spec", {}) if isinstance(spec, dict) else {}
    for kind in ("initContainers", "containers"):
        yield from pod.get(kind) or []


def _keys(parts: Sequence[Part]) -> Check:
    def leaks() -> Iterator[Leak]:
        for part in parts:
            names = {each["name"] for c in _containers(part) for each in c.get("env") or []}
            if part.kind == "Secret":
                names |= {*part.value.get("stringData", {}), *part.value.get("data", {})}
            for name in sorted(names & KEYS):
                yield Leak(part.name, f"has {name}, the key of a service outside")

    looked = [part.name for part in parts if part.kind in ("Secret", "Deployment", "Job")]
    asks = "Is no key of NVIDIA or of another service outside in the cluster?"
    return checked("keys", asks, looked, leaks())


def _telemetry(parts: Sequence[Part]) -> Check:
    def leaks() -> Iterator[Leak]:
        for part in parts:
            for container in _containers(part):
                env = {each["name"]: each.get("value", "") for each in container.get("env") or []}
                for name, value in env.items():
                    if TELEMETRY.search(name) and not _quiet(name, str(value)):
                        yield Leak(part.name, f"{name} is '{value}'")
                for path, wanted in QUIET.items():
                    if path in str(container.get("image", "")) and "command" not in container:
                        for name in wanted:
                            if name not in env:
                                yield Leak(part.name, f"{name} is not set, so it would report")

    told = (
        f"{part.name}: {each['name']}={each.get('value')}"
        for part in parts
        for container in _containers(part)
        for each in container.get("env") or []
        if TELEMETRY.search(each["name"])
    )
    asks = "Is the telemetry of everything that has some off?"
    return checked("telemetry", asks, [f"{len(parts)} objects read", *told], leaks())


def _quiet(name: str, value: str) -> bool:
    if name in OFF:
        return value in OFF[name]
    if DISABLING.search(name):
        return value.lower() in ("1", "true")
    return value.lower() in ("0", "false", "none", "")


def _charts(parts: Sequence[Part], charts: Mapping[str, Sequence[Json]], place: Place) -> Check:
    releases = [part for part in parts if part.kind in ("Release", "Chart")]

    def leaks() -> Iterator[Leak]:
        for part in releases:
            chart = str(part.value["chart"])
            options = part.value.get("repositoryOpts") or {}
            if isinstance(options, dict) and options.get("repo"):
                yield Leak(part.name, f"chart {chart} comes from {options['repo']}")
            elif not isinstance(options, dict) and "://" not in chart:
                yield Leak(part.name, f"chart {chart} comes from a repository with a password")
            elif "://" in chart and not chart.startswith(f"oci://{place.host}/"):
                yield Leak(part.name, f"chart {chart} is not in {place.host}")

    missing = [part.name for part in releases if part.name not in charts]
    why = f"not rendered: {', '.join(missing)}; name the chart by --chart FILE" if missing else ""
    told = [f"{part.name}: {part.value['chart']}" for part in releases]
    rendered = [f"{name}: {len(objects)} objects rendered" for name, objects in charts.items()]
    asks = "Does every chart come from the registry or a file, and do its templates stay inside?"
    return checked("charts", asks, [*told, *rendered] or ["no chart"], leaks(), why)


def _builds(resources: Sequence[Json]) -> Check:
    made = [each for each in resources if each["type"].endswith((":Image", ":ImageCopy"))]
    leaks = (Leak(each["name"], "is built or copied from outside by `pulumi up`") for each in made)
    asks = "Does `pulumi up` take every image as the bundle brought it?"
    return checked("builds", asks, [f"{len(resources)} resources read"], leaks)


def _dockerfiles(files: Mapping[str, str]) -> Check:
    def leaks() -> Iterator[Leak]:
        for name, text in files.items():
            for number, line in enumerate(text.splitlines(), 1):
                words = line.split("#")[0] if line.lstrip().startswith("#") else line
                if re.match(r"\s*FROM\s+(?!\$\{BASE\})", words):
                    yield Leak(f"{name}:{number}", f"takes another base: {words.strip()}")
                for url, _, _ in addresses(words):
                    yield Leak(f"{name}:{number}", f"names {url}")
                if found := FETCHING.search(words):
                    yield Leak(f"{name}:{number}", f"fetches by {found[0]}")

    asks = "Does every Dockerfile take its base as it is given, and fetch nothing?"
    return checked("Dockerfiles", asks, sorted(files), leaks())
