"""Pure: what is wrong with the ways of a stack through the network."""

import ipaddress
from collections.abc import Iterable

from infra.components.network_policies import METADATA
from infra.problems.telling import PROJECT, hint
from infra.schema import Settings


def network_problems(settings: Settings) -> Iterable[str]:
    """Return a problem for each address of a DNS that no policy may open."""
    for number, each in enumerate(settings.network.dns):
        where = f"network.dns[{number}]"
        try:
            network = ipaddress.ip_network(each)
        except ValueError as error:
            yield f"{PROJECT}:{where}: {error}\n{hint(where, '169.254.20.10/32')}"
            continue
        secret = [ipaddress.ip_network(block) for blocks in METADATA.values() for block in blocks]
        if any(network.overlaps(block) for block in secret):
            yield (
                f"{PROJECT}:{where}: is '{each}', where a cloud gives a node's credentials to "
                f"whoever asks\n{hint(where, '169.254.20.10/32')}"
            )
