"""The face over obstore: the same behaviour in a folder and behind a URL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.settings import SettingsError
from app.stores.objects import NoSuchObject, ObjectStore, Stored, open_store, store_identity


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return open_store(tmp_path / "files" if request.param == "folder" else "memory:///")


def test_put_list_and_delete_by_whole_segments(store: ObjectStore) -> None:
    for key in ("a/1", "a/2", "ab/1"):
        store.put(key, b"bytes")
    assert sorted(s.key for s in store.list("a")) == ["a/1", "a/2"]
    assert store.delete("a") == 2
    assert list(store.list()) == [Stored("ab/1", 5)]
    assert store.delete("a") == 0
    assert store.delete("ab/1") == 1 and not store.exists("ab/1")


def test_a_range_may_reach_past_the_end(store: ObjectStore) -> None:
    store.put("a", b"bytes")
    assert [store.get_range("a", at, 9) for at in (0, 3, 5, 9)] == [b"bytes", b"es", b"", b""]
    assert store.get_range("a", 2, 0) == b""


def test_what_is_missing_is_named(store: ObjectStore) -> None:
    with pytest.raises(NoSuchObject, match="holds no a/b"):
        store.get_range("a/b", 0, 1)


def test_create_is_once(store: ObjectStore) -> None:
    assert [store.create("a", b"1"), store.create("a", b"2")] == [True, False]
    assert store.get_range("a", 0, 9) == b"1"


def test_many_writers_extend_one_object(store: ObjectStore) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: store.extend("deep/down", n * 3, b"%03d" % n), range(40)))
    assert store.get_range("deep/down", 0, 999) == b"".join(b"%03d" % n for n in range(40))


@pytest.mark.parametrize("key", ["", "/a", "a//b", "../a", "a/..", "a/./b", "a b", "a\0", "é"])
def test_a_key_leads_nowhere_else(store: ObjectStore, key: str) -> None:
    with pytest.raises(ValueError, match="not a key"):
        store.put(key, b"")
    with pytest.raises(ValueError, match="not a key"):
        store.extend(key, 0, b"")


def test_a_wrong_address_is_one_sentence() -> None:
    with pytest.raises(SettingsError, match="LATTICE_STORE is 'nonsense://x', but that is no store") as caught:
        open_store("nonsense://x")
    assert "\n" not in str(caught.value)


def test_the_identity_of_a_store_stays(store: ObjectStore, tmp_path: Path) -> None:
    assert store_identity(store) == store_identity(store) != store_identity(open_store(tmp_path / "other"))
