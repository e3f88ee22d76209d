"""The folder outside that belongs to a home: it goes with one that is moved, and no two share one."""

from __future__ import annotations

import shutil
from pathlib import Path

from app.engines.local.folders import Folders


def test_it_goes_with_a_home_that_is_moved(tmp_path: Path) -> None:
    root = tmp_path / "outside"
    before = Folders(tmp_path / "here", root).outside
    (tmp_path / "here").rename(tmp_path / "there")
    assert Folders(tmp_path / "there", root).outside == before
    assert Folders(tmp_path / "there", root).outside == before
    assert Folders(tmp_path / "here", root).outside != before, "a new home, where the other was"


def test_a_copy_has_one_of_its_own(tmp_path: Path) -> None:
    root = tmp_path / "outside"
    original = Folders(tmp_path / "here", root).outside
    shutil.copytree(tmp_path / "here", tmp_path / "copy")
    copied = Folders(tmp_path / "copy", root).outside
    assert copied != original
    assert Folders(tmp_path / "here", root).outside == original
    shutil.rmtree(tmp_path / "here")
    assert Folders(tmp_path / "copy", root).outside == copied


def test_a_home_of_before_names_were_noted_keeps_its_own(tmp_path: Path) -> None:
    made = Folders(tmp_path / "here", tmp_path / "outside")
    (made.home / "outside").unlink()
    old = Folders(tmp_path / "here", tmp_path / "outside").outside
    assert len(old.name) == 16 and old != made.outside
    (tmp_path / "here").rename(tmp_path / "there")
    assert Folders(tmp_path / "there", tmp_path / "outside").outside == old


def test_a_moved_home_keeps_it_though_another_began_where_it_was(tmp_path: Path) -> None:
    root = tmp_path / "outside"
    before = Folders(tmp_path / "here", root).outside
    (tmp_path / "here").rename(tmp_path / "there")
    assert Folders(tmp_path / "here", root).outside != before
    assert Folders(tmp_path / "there", root).outside == before


def test_a_home_reached_by_another_way_is_the_same(tmp_path: Path) -> None:
    before = Folders(tmp_path / "here", tmp_path / "outside").outside
    (tmp_path / "link").symlink_to(tmp_path / "here")
    assert Folders(tmp_path / "link", tmp_path / "outside").outside == before
    assert Folders(tmp_path / "here", tmp_path / "outside").outside == before


def test_what_else_lies_beside_the_attempts_is_let_be(tmp_path: Path) -> None:
    folders = Folders(tmp_path / "here", tmp_path / "outside")
    for name in ("lost+found", "att_x.bak", "att_open", "att_over"):
        (folders.attempts / name).mkdir()
    (folders.attempts / "att_over/ended").touch()
    (folders.attempts / "att_file").touch()
    assert folders.unended() == ["att_open"]
    shutil.rmtree(folders.attempts)
    assert folders.unended() == []
