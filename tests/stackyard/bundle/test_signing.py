"""Signatures that openssl, and cosign where it is at hand, check as ours."""

import base64
import subprocess
from pathlib import Path

import pytest

from stackyard.bundle import signing
from stackyard.errors import Trouble
from tests.stackyard.bundle.conftest import Factory, Keys, Make, image_item
from tests.stackyard.conftest import Invoke
from tools.binaries import cosign


def test_openssl_verifies_a_bundles_signature(tmp_path: Path) -> None:
    private, public = signing.make_key_pair(tmp_path / "keys", "a passphrase")
    content = tmp_path / "bundle.json"
    content.write_text('{"version": 1}')
    key = signing.read_private_key(private, "a passphrase")
    text = signing.sign(key, content.read_bytes())
    (tmp_path / "signature").write_bytes(base64.b64decode(text))

    done = subprocess.run(
        [
            *("openssl", "dgst", "-sha256", "-verify", public),
            *("-signature", tmp_path / "signature", content),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout.strip() == "Verified OK"
    assert signing.sign(key, content.read_bytes()) == text  # the same again


@pytest.mark.timeout(1800)  # the first one builds cosign
@pytest.mark.integration
def test_cosign_verifies_a_bundle_as_its_readme_says(
    factory: Factory, make: Make, keys: Keys
) -> None:
    bundle = make(image_item("c", factory.publish(factory.image([b"layer"]), "vendor/cosign:1")))
    readme = (bundle.folder / "README.md").read_text()
    line = next(each for each in readme.splitlines() if "cosign verify-blob" in each)
    command = line.replace("/trusted/cosign.pub", str(keys.public)).split()
    command[0] = str(cosign())

    good = subprocess.run(command, cwd=bundle.folder, check=False)
    manifest = bundle.folder / "bundle.json"
    manifest.write_text(manifest.read_text().replace('"stack"', '"Stack"'))
    bad = subprocess.run(command, cwd=bundle.folder, check=False)

    assert (good.returncode, bad.returncode != 0) == (0, True)


@pytest.mark.timeout(1800)
@pytest.mark.integration
def test_a_bundle_that_cosign_signed_by_a_key_of_its_own_is_taken(
    tmp_path: Path, factory: Factory, make: Make, invoke: Invoke
) -> None:
    bundle = make(image_item("o", factory.publish(factory.image([b"layer"]), "vendor/own:1")))
    again = ["bundle", "create", "-o", bundle.folder, "--lock", bundle.lock, "--no-sbom"]
    environment = {"HOME": str(tmp_path), "PATH": "/nowhere", "COSIGN_PASSWORD": ""}

    unsigned = invoke(*again)
    command = unsigned.output.partition("Sign it: ")[2].split()
    command[0] = str(cosign())
    made = [command[0], "generate-key-pair"]
    for words in (made, command):
        subprocess.run(words, cwd=tmp_path, env=environment, check=True, capture_output=True)
    checked = invoke("bundle", "verify", bundle.folder, "--key", tmp_path / "cosign.pub")

    assert unsigned.exit_code == 0, unsigned.output
    assert checked.exit_code == 0, checked.output


def test_a_changed_byte_is_not_signed(tmp_path: Path) -> None:
    private, public = signing.make_key_pair(tmp_path, None)
    text = signing.sign(signing.read_private_key(private, None), b"content")
    key = signing.read_public_key(public)

    assert signing.is_signed(key, b"content", text)
    assert not signing.is_signed(key, b"Content", text)
    assert not signing.is_signed(key, b"content", "no base64")


def test_a_key_is_never_written_over(tmp_path: Path) -> None:
    private, _ = signing.make_key_pair(tmp_path, None)

    with pytest.raises(Trouble, match="is there already"):
        signing.make_key_pair(tmp_path, None)

    assert private.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("content", "passphrase", "said"),
    [
        (b"", None, "is not a private key in PEM"),
        (b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----", None, "cosign sign-blob"),
        (None, "spare", "leave --passphrase-file out"),
    ],
    ids=["empty", "cosign's own", "spare passphrase"],
)
def test_a_key_that_cannot_be_used_says_what_would(
    tmp_path: Path, content: bytes | None, passphrase: str | None, said: str
) -> None:
    private, _ = signing.make_key_pair(tmp_path, None)
    if content is not None:
        private.write_bytes(content)

    with pytest.raises(Trouble, match=said):
        signing.read_private_key(private, passphrase)
