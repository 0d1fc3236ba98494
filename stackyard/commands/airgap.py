"""`stackyard airgap`: the proof that nothing leaves a sealed stack, and what its nodes need."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape
from rich.table import Table

from stackyard.airgap import node_config as nodes
from stackyard.airgap import report
from stackyard.airgap.check import Check
from stackyard.airgap.dynamic import prove
from stackyard.airgap.verify import chart_name, place_of
from stackyard.airgap.verify import verify as examine
from stackyard.commands.options import AsJson, StackName
from stackyard.errors import Trouble
from stackyard.progress import out
from stackyard.project import Stack, find

Form = Literal["hosts.toml", "registries.yaml", "Corefile"]
COLORS = {"passed": "green", "failed": "red", "not examined": "yellow"}
app = typer.Typer(no_args_is_help=True, help="The proof that nothing leaves a sealed stack.")


def verify(
    stack: StackName = "dev",
    chart: Annotated[
        list[Path] | None, typer.Option("--chart", help="A chart's file, to read its templates.")
    ] = None,
    outside: Annotated[
        str | None,
        typer.Option(
            "--outside", help="ADDRESS:PORT outside, that others reach: tried from the cluster too."
        ),
    ] = None,
    outside_name: Annotated[
        str | None, typer.Option("--outside-name", help="A name that others resolve.")
    ] = None,
    control: Annotated[
        str | None,
        typer.Option("--control", help="NAMESPACE/POD that reaches it, in place of one made here."),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--report", help="Write airgap.json and airgap.html there.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show that nothing in a stack names a host outside, and that nothing reaches one."""
    meant = find(stack)
    checks = examine(meant, {_chart_name(path): path for path in chart or ()})
    if outside is not None or outside_name is not None:
        checks += prove(meant, outside, outside_name, control)
    made = report.as_json(meant.name, _settings_of(meant), checks)
    written = report.write(folder, made) if folder is not None else []
    if as_json:
        print(json.dumps(made, indent=2, ensure_ascii=False))
    else:
        _show(checks, made["leaks"])
        for path in written:
            out().print(f"wrote {path}", highlight=False)
    if not made["passed"]:
        raise typer.Exit(1)


def node_config(
    stack: StackName = "dev",
    form: Annotated[
        Form,
        typer.Option("--form", help="hosts.toml (kubeadm, kind, EKS), registries.yaml, Corefile"),
    ] = "hosts.toml",
    folder: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the files below this folder.")
    ] = None,
    resolver: Annotated[
        str | None, typer.Option("--resolver", help="Corefile: the site's resolver, an address.")
    ] = None,
    answer: Annotated[
        list[str] | None,
        typer.Option("--answer", help="Corefile: 'ADDRESS NAME' to answer without a resolver."),
    ] = None,
) -> None:
    """Print what makes nodes trust the registry, or what keeps the cluster's DNS to the site."""
    meant = find(stack)
    place = place_of(meant)
    registry = meant.settings.get("registry")
    given = registry if isinstance(registry, dict) else {}
    ca = bool(given.get("ca"))
    if form == "hosts.toml":
        files = nodes.hosts_toml(nodes.PUBLIC, place.host, place.prefix, ca=ca)
    elif form == "registries.yaml":
        username = given.get("username")
        text = nodes.registries_yaml(
            *(nodes.PUBLIC, place.host, place.prefix), ca=ca, username=username
        )
        files = {"/etc/rancher/registries.yaml": text}
    else:
        text = nodes.corefile(place.allowed, resolver, answer or ())
        files = {"Corefile": text}
    for path, text in files.items():
        if folder is None:
            print(f"# {path}\n{text}")
            continue
        target = folder / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        out().print(f"wrote {target}", highlight=False)


def _chart_name(path: Path) -> str:
    """Return the chart's name of NAME-VERSION.tgz, or of its folder. Raises Trouble."""
    if not path.exists():
        message = f"--chart is {path}, which is not there"
        raise Trouble(message, "stackyard airgap verify --chart ./gpu-operator-v26.7.0.tgz")
    return chart_name(str(path))


def _settings_of(stack: Stack) -> str:
    return f"sha256:{hashlib.sha256(stack.settings_file.read_bytes()).hexdigest()}"


def _show(checks: list[Check], leaks: int) -> None:
    table = Table("check", "", "evidence", "leaks")
    for check in checks:
        color = COLORS[check.outcome]
        told = [f"{leak.where}: {leak.what}" for leak in check.leaks]
        told += [check.unexamined] if check.unexamined else []
        table.add_row(
            check.name,
            f"[{color}]{check.outcome}[/{color}]",
            str(len(check.evidence)),
            escape("\n".join(told)),
        )
    out().print(table)
    out().print(f"{leaks} leak(s) found")


VERBS: dict[str, Callable[..., None]] = {"verify": verify, "node-config": node_config}
