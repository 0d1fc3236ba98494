"""`stackyard plan`: whether a stack fits on its GPUs, before anything is made."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from stackyard.commands.options import AsJson, StackName
from stackyard.planner import show
from stackyard.planner.plan import NETWORK_MBPS
from stackyard.planner.prices import read_prices
from stackyard.planning import nodes_from, plan_of
from stackyard.progress import out
from stackyard.project import find


def plan(
    stack: StackName = "dev",
    prices: Annotated[
        Path | None, typer.Option("--prices", help="Prices an hour, a YAML file with a date.")
    ] = None,
    bandwidth_mbps: Annotated[
        float,
        typer.Option("--bandwidth-mbps", min=1, help="What a node's pulls and downloads get."),
    ] = NETWORK_MBPS,
    concurrency: Annotated[
        int, typer.Option("--concurrency", min=1, help="Requests of full length at once.")
    ] = 1,
    node: Annotated[
        list[str] | None,
        typer.Option("--node", help="Plan on TYPE or TYPE:COUNT in place of the stack's nodes."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say which model goes on which GPU, with the arithmetic, the time, the cost and the risks."""
    made = plan_of(
        find(stack),
        prices=read_prices(prices) if prices else None,
        network_mbps=bandwidth_mbps,
        concurrency=concurrency,
        nodes=nodes_from(node) if node else None,
    )
    if as_json:
        print(json.dumps(show.as_json(made), indent=2, ensure_ascii=False))
    else:
        for line in show.lines(made):
            out().print(escape(line))
    if made.verdict == "does not fit":
        raise typer.Exit(1)
