"""Every route has its least role; what nobody thought of is for admins."""

import pytest

from app.access.identity import Identity, Role
from app.access.roles import NEEDED, needed, needs_all_collections
from app.surface import ROUTES

SERVED = {
    (route.template, method)
    for route in ROUTES
    for method, kind in route.kinds.items()
    if kind not in ("open", "sign-in")
}


def test_only_routes_that_are_served_have_a_role() -> None:
    assert {(path, method) for path, methods in NEEDED.items() for method in methods} <= SERVED


def test_what_is_for_admins_is_known_by_name() -> None:
    assert {(path, method) for path, method in SERVED if needed(path, method) == "admin"} == {
        ("/metrics", "GET"),
        ("/pipelines/{name}/run", "POST"),
        ("/v1/backup", "POST"),
        ("/v1/backup", "PUT"),
        ("/v1/documents", "DELETE"),
        ("/v1/documents/{id}/quarantine", "DELETE"),
        ("/v1/documents/{id}/quarantine", "PUT"),
        ("/v1/keys", "GET"),
        ("/v1/keys", "POST"),
        ("/v1/keys/{key}", "DELETE"),
    }


def test_what_is_about_all_collections_is_known_by_name() -> None:
    assert {each for each in SERVED if needs_all_collections(*each)} == {
        ("/metrics", "GET"),
        ("/pipelines/{name}/run", "POST"),
        ("/v1/backup", "POST"),
        ("/v1/backup", "PUT"),
        ("/v1/documents", "DELETE"),
        ("/v1/keys", "GET"),
        ("/v1/keys", "POST"),
        ("/v1/keys/{key}", "DELETE"),
    }


def test_a_new_route_is_an_admins_of_all_collections() -> None:
    assert needs_all_collections("/v1/new", "GET")
    assert needed("/v1/new", "GET") == "admin"
    assert needed("/v1/documents", "PATCH") == "admin"


@pytest.mark.parametrize(
    ("has", "wants", "may"),
    [
        ("reader", "reader", True), ("reader", "contributor", False), ("reader", "admin", False),
        ("contributor", "reader", True), ("contributor", "contributor", True),
        ("contributor", "admin", False), ("admin", "admin", True), ("admin", "reader", True),
    ],
)  # fmt: skip
def test_a_higher_role_may_what_a_lower_one_may(has: Role, wants: Role, may: bool) -> None:
    identity = Identity(subject="a", role=has, via="key", credential="c")

    assert identity.may(wants) is may
