"""`python -m tools`: provide every tool and tell how each was had."""

import sys

from rich.console import Console
from rich.table import Table

from tools import official_plugin, toolchain
from tools.errors import ToolUnavailable
from tools.sealed import docker
from tools.sealed.machine import MissingOnMachine
from tools.standin.install import plugin_directory

WIDTH = 200  # of the table where there is no terminal: paths stay whole


def main() -> int:
    """Print a row for each tool; return 1 with the reason where one cannot be had."""
    table = Table("tool", "version", "way", "where", "seconds")
    try:
        provided = toolchain.provide()
        for name, tool in provided.items():
            table.add_row(name, tool.version, tool.way, str(tool.path), f"{tool.seconds:.1f}")
        docker.ensure()
        table.add_row("docker", docker.version(), docker.way(), docker.client(), "")
    except (ToolUnavailable, MissingOnMachine) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if toolchain.PLUGIN not in provided:
        way = "stand-in, for local clusters only"
        where = str(plugin_directory() / toolchain.PLUGIN)
        table.add_row(toolchain.PLUGIN, official_plugin.VERSION, way, where, "")
    Console(width=None if sys.stdout.isatty() else WIDTH).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
