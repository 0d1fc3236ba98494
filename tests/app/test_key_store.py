"""Created keys: what opens, until when, and what is kept of them."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.access import tokens
from app.access.key_store import Key, KeyStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[KeyStore]:
    store = KeyStore(tmp_path / "keys.sqlite3")
    yield store
    store.close()


def made(store: KeyStore, **more: Any) -> tuple[Key, tuple[str, bytes]]:
    wanted: dict[str, Any] = {
        "subject": "alice", "role": "reader", "groups": (), "collections": None, "rate": None,
        "expires": None, "created_by": "admin",
    }  # fmt: skip
    key, text = store.create(**wanted | more)
    parts = tokens.parted(text.encode())
    assert parts is not None
    return key, parts


def test_a_key_opens_with_what_it_was_given(store: KeyStore) -> None:
    _, parts = made(store, groups=("hr",), collections=("team",), role="contributor", rate="9/day")

    known = store.find(*parts, time.time())

    assert known is not None
    assert (known.identity.subject, known.identity.role) == ("alice", "contributor")
    assert known.identity.principals == ("everyone", "group:hr", "user:alice")
    assert known.identity.sees("team")
    assert not known.identity.sees("other")
    assert known.rate is not None


def test_it_ends_to_the_second(store: KeyStore) -> None:
    end = datetime.now(UTC) + timedelta(hours=1)
    _, parts = made(store, expires=end.isoformat())

    assert store.find(*parts, end.timestamp() - 1) is not None
    assert store.find(*parts, end.timestamp()) is None


def test_a_revoked_one_is_gone_at_once_and_stays_on_the_list(store: KeyStore) -> None:
    key, parts = made(store)

    revoked = store.revoke(key.id)

    assert revoked is not None
    assert revoked.revoked is not None
    assert store.find(*parts, time.time()) is None
    assert store.all() == [revoked]
    assert store.revoke("0" * 12) is None


def test_the_same_secret_has_another_hash_for_every_key() -> None:
    assert tokens.digest(b"s", tokens.new_salt()) != tokens.digest(b"s", tokens.new_salt())


@pytest.mark.parametrize(
    "text", [b"", b"sy_", b"sy_1", b"sy__x", b"sy_\xff_x", b"xx_1_2", b"sy_1_" + b"x" * 200]
)
def test_what_is_no_key_of_ours_has_no_parts(text: bytes) -> None:
    assert tokens.parted(text) is None


def test_an_id_that_nobody_has_costs_a_comparison_too(
    store: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = []
    plain = tokens.digest

    def counted(secret: bytes, salt: bytes) -> bytes:
        compared.append(secret)
        return plain(secret, salt)

    monkeypatch.setattr(tokens, "digest", counted)

    assert store.find("0" * 12, b"secret", time.time()) is None
    assert compared == [b"secret"]


def test_a_key_that_is_revoked_in_another_process_opens_nothing_here(tmp_path: Path) -> None:
    here, there = (KeyStore(tmp_path / "keys.sqlite3") for _ in range(2))
    key, text = there.create(
        subject="a", role="reader", groups=(), collections=None, rate=None, expires=None,
        created_by="",
    )  # fmt: skip
    shown = tokens.parted(text.encode())
    assert shown is not None

    assert here.find(*shown, 0.0) is not None
    there.revoke(key.id)

    assert here.find(*shown, 0.0) is None
    here.close()
    there.close()


def test_a_restore_ends_no_revocation_and_changes_no_key_that_is_here(
    store: KeyStore, tmp_path: Path
) -> None:
    leaver, left = made(store, subject="leaver")
    stayer, stays = made(store, subject="stayer")
    store.copy_to(tmp_path / "backup.sqlite3")
    store.revoke(leaver.id)
    _, later = made(store, subject="later")
    with closing(sqlite3.connect(tmp_path / "backup.sqlite3")) as backup:
        backup.execute("update keys set role = 'admin', subject = 'mallory'")
        backup.commit()

    store.take_over(tmp_path / "backup.sqlite3")

    assert store.find(*left, time.time()) is None
    found = [store.find(*each, time.time()) for each in (stays, later)]
    told = [(each.identity.subject, each.identity.role) for each in found if each]
    assert told == [("stayer", stayer.role), ("later", stayer.role)]


def test_a_restore_brings_keys_into_another_service_and_what_was_revoked_by_then(
    store: KeyStore, tmp_path: Path
) -> None:
    _, opens = made(store)
    ended, ends = made(store)
    store.revoke(ended.id)
    store.copy_to(tmp_path / "backup.sqlite3")
    other = KeyStore(tmp_path / "other.sqlite3")

    other.take_over(tmp_path / "backup.sqlite3")

    assert other.find(*opens, time.time()) is not None
    assert other.find(*ends, time.time()) is None
    assert [key.id for key in other.all() if key.revoked] == [ended.id]
    other.close()
