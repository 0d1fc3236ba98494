"""`stackyard bundle sign`: the images that `up` built, in the registry that they were pushed to."""

import json
from pathlib import Path
from typing import Annotated

import typer

from infra.registry import parse
from stackyard import machine
from stackyard.bundle import signing
from stackyard.bundle.in_place import own_images, sign_in_place
from stackyard.commands.bundle_options import (
    Ca,
    PassphraseFile,
    PasswordFile,
    Plain,
    Username,
    access_of,
    secret_in,
)
from stackyard.commands.options import AsJson, StackName
from stackyard.engine import Engine
from stackyard.errors import Trouble
from stackyard.progress import Stages, out
from stackyard.project import find


def sign(
    key: Annotated[Path, typer.Option("--key", help="The private key, PEM: bundle.key.")],
    stack: StackName = "dev",
    registry: Annotated[
        str | None, typer.Option("--registry", help="HOST[:PORT]; the app's image's without it.")
    ] = None,
    passphrase_file: PassphraseFile = None,
    username: Username = None,
    password_file: PasswordFile = None,
    ca: Ca = None,
    plain_http: Plain = False,
    as_json: AsJson = False,
) -> None:
    """Sign the images of a stack in its registry, as `cosign sign` would."""
    private = signing.read_private_key(key, secret_in(passphrase_file))
    chosen = find(stack)
    listed = Engine(chosen, machine.environment(chosen)).outputs().get("inventory")
    if not isinstance(listed, list) or not listed:
        message = f"stack {stack} tells no images: it is not up"
        raise Trouble(message, f"stackyard up --stack {stack}")
    host = registry or next(parse(each["image"]).host for each in listed if each["name"] == "app")
    access = access_of(host, username, password_file, ca, plain=plain_http)
    with Stages().stage("Signing the images"):
        signed = sign_in_place(private, own_images(listed, host), access)
    if as_json:
        print(json.dumps({"signed": signed}, indent=2))
        return
    for image in signed:
        out().print(f"signed {image}", markup=False)
    check = f"cosign verify --insecure-ignore-tlog --key cosign.pub {next(iter(signed))}"
    out().print(f"check one: {check}", markup=False)
