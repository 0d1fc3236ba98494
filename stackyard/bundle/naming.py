"""Pure: what an object of Kubernetes names, and names for what has none."""

import re
from collections.abc import Iterator
from typing import Any

NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._+-]+")


def chart_name(chart: str) -> str:
    """Return the name of a chart by its file, address or name."""
    return NOT_IN_A_NAME.sub("-", chart.rpartition("/")[2].removesuffix(".tgz"))


def named_images(value: Any) -> Iterator[str]:
    """Yield what the members called `image` say: of containers, init containers, hooks, CRs.

    A member `image` beside `repository` and `version` is a name, as operators' resources have it;
    one whose part is switched off with `enabled: false` is left out.
    """
    if isinstance(value, list):
        for each in value:
            yield from named_images(each)
        return
    if not isinstance(value, dict):
        return
    image = value.get("image")
    if isinstance(image, str) and image:
        repository = value.get("repository") or value.get("registry")
        version = value.get("version") or value.get("tag")
        if repository and version and value.get("enabled") is not False:
            joint = "@" if str(version).startswith("sha256:") else ":"
            yield f"{repository}/{image}{joint}{version}"
        elif not repository:
            yield image
    for each in value.values():
        yield from named_images(each)
