"""The operator's command: its verbs, and the one place where an error becomes a message."""

import functools
import os
import sys
from collections.abc import Callable
from typing import ParamSpec

import typer

from stackyard.commands import (
    accept,
    airgap,
    ask,
    audit,
    backup,
    bundle,
    doctor,
    down,
    erase,
    eval,
    ingest,
    keys,
    logs,
    migrate,
    plan,
    quarantine,
    serve,
    shell,
    status,
    up,
)
from stackyard.errors import explain
from stackyard.serving.processes import termination_interrupts

INTERRUPTED = 130  # what a shell reports after Ctrl-C
P = ParamSpec("P")

app = typer.Typer(
    help="A private RAG service on your own Kubernetes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def explained(verb: Callable[P, None]) -> Callable[P, None]:
    """Make whatever the verb raises end as a message on stderr and an exit code."""

    @functools.wraps(verb)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            with termination_interrupts():
                verb(*args, **kwargs)
        except (typer.Exit, typer.Abort, BrokenPipeError):
            raise
        except (Exception, KeyboardInterrupt) as error:
            if os.environ.get("STACKYARD_DEBUG") == "1":
                raise
            print(explain(error), file=sys.stderr)
            raise typer.Exit(INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1) from None

    return run


for verb in (
    plan.plan,
    up.up,
    ask.ask,
    ingest.ingest,
    erase.erase,
    backup.backup,
    backup.restore,
    status.status,
    logs.logs,
    down.down,
    accept.accept,
    eval.eval,
    migrate.migrate,
    serve.serve,
    doctor.doctor,
    shell.url,
    shell.key,
    shell.ca,
    shell.env,
    shell.tools,
):
    app.command(verb.__name__)(explained(verb))

GROUPS: dict[str, tuple[str, dict[str, Callable[..., None]]]] = {
    "keys": (
        "Create, list and revoke keys.",
        {"create": keys.create, "list": keys.list_, "revoke": keys.revoke},
    ),
    "quarantine": (
        "Keep documents from being cited.",
        {"list": quarantine.list_, "add": quarantine.add, "release": quarantine.release},
    ),
    "audit": ("Check the audit log.", {"head": audit.head, "verify": audit.verify}),
}
for group_name, (about, verbs) in GROUPS.items():
    group = typer.Typer(help=about, no_args_is_help=True)
    for name, verb_of_group in verbs.items():
        group.command(name)(explained(verb_of_group))
    app.add_typer(group, name=group_name)

for part_of_site, parts, noun in (
    (bundle.app, bundle.VERBS, "bundle"),
    (airgap.app, airgap.VERBS, "airgap"),
):
    for name, part in parts.items():
        part_of_site.command(name)(explained(part))
    app.add_typer(part_of_site, name=noun)
