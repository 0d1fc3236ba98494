"""`stackyard url`, `key`, `ca`, `env` and `tools`: what a shell needs to go on by hand."""

import shlex

from stackyard import machine
from stackyard.commands.options import KeyFile, MaybeStack, StackName, Url
from stackyard.errors import Trouble
from stackyard.progress import Stages
from stackyard.project import find
from stackyard.target import resolve


def url(stack: MaybeStack = None) -> None:
    """Print the address of the service."""
    print(resolve(stack, None, None).url)


def key(stack: MaybeStack = None, url: Url = None, key_file: KeyFile = None) -> None:
    """Print the key of the service, for example in a curl line."""
    target = resolve(stack, url, key_file)
    if target.key is None:
        message = f"{target.label} has no key"
        raise Trouble(message, "leave the Authorization header out, or set STACKYARD_KEY")
    print(target.key)


def ca(stack: MaybeStack = None) -> None:
    """Print the authority that signed the service's certificate, for example for curl --cacert."""
    target = resolve(stack, None, None)
    if target.ca is None:
        message = f"{target.label} has no authority of its own: its address is {target.url}"
        raise Trouble(message, "set stackyard:app.tls.mode, or trust the public authorities")
    print(target.ca, end="")


def env(stack: StackName = "dev") -> None:
    """Print export lines for pulumi, kubectl and docker: eval "$(stackyard env)"."""
    for name, value in sorted(machine.exports(find(stack)).items()):
        print(f"export {name}={shlex.quote(value)}")


def tools(stack: StackName = "dev") -> None:
    """Provide the pinned tools that this machine lacks."""
    stages = Stages()
    with stages.stage("tools", shows_itself=True) as tell:
        machine.prepare(find(stack), tell)
