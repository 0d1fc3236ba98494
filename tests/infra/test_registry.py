"""Image references: taken apart, refused, and moved to a private registry."""

import pytest

from infra.registry import Reference, Registry, parse, rewrite

D = "sha256:" + "a" * 64
MIRROR = Registry("registry.local:5000", "team")


@pytest.mark.parametrize(
    ("text", "host", "path", "tag", "digest"),
    [
        ("python", "docker.io", "library/python", None, None),
        ("python:3.11-slim", "docker.io", "library/python", "3.11-slim", None),
        ("qdrant/qdrant:v1.19.0", "docker.io", "qdrant/qdrant", "v1.19.0", None),
        ("docker.io/python", "docker.io", "library/python", None, None),
        ("localhost/x/y:1", "localhost", "x/y", "1", None),
        ("localhost:5000/x", "localhost:5000", "x", None, None),
        (f"nvcr.io/nim/meta/llama@{D}", "nvcr.io", "nim/meta/llama", None, D),
        (f"kindest/node:v1.36.1@{D}", "docker.io", "kindest/node", "v1.36.1", D),
        ("[::1]:5000/a/b:t", "[::1]:5000", "a/b", "t", None),
        ("r.example.com/a__b/c-d.e/f:1", "r.example.com", "a__b/c-d.e/f", "1", None),
    ],
)
def test_a_reference_is_taken_apart_as_docker_does(
    text: str, host: str, path: str, tag: str | None, digest: str | None
) -> None:
    assert parse(text) == Reference(host, path, tag, digest)


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        ("python:3.11", "registry.local:5000/team/library/python:3.11"),
        (f"kindest/node:v1@{D}", f"registry.local:5000/team/kindest/node:v1@{D}"),
        (f"nvcr.io/nim/meta/llama@{D}", f"registry.local:5000/team/nim/meta/llama@{D}"),
        ("quay.io:443/a/b/c/d:1", "registry.local:5000/team/a/b/c/d:1"),
        ("localhost:5000/x:1", "registry.local:5000/team/x:1"),
    ],
)
def test_a_moved_reference_keeps_path_tag_and_digest(text: str, moved: str) -> None:
    assert rewrite(text, MIRROR) == moved


def test_without_a_prefix_the_path_stays_as_it_is() -> None:
    assert rewrite("a/b:1", Registry("r.io")) == "r.io/a/b:1"


def test_without_a_registry_the_reference_stays_as_it_is() -> None:
    assert rewrite("python:3.11", None) == "python:3.11"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "its path may have"),
        ("Python", "its path may have lower case letters"),
        ("a//b", "its path may have"),
        ("a/b:", "its tag may have"),
        ("a/b:t ag", "its tag may have"),
        ("a/b:" + "t" * 129, "at most 128"),
        ("a/b@sha256:123", "sha256: and 64 hexadecimal digits"),
        ("a/b@", "sha256: and 64 hexadecimal digits"),
        ("bad_host.io:x/a", "its host is not a host name"),
        ("-.io/a", "its host is not a host name"),
    ],
)
def test_a_bad_reference_is_refused_with_its_reason(text: str, why: str) -> None:
    with pytest.raises(ValueError, match="is not an image reference") as caught:
        parse(text)

    assert f"'{text}'" in str(caught.value)
    assert why in str(caught.value)
