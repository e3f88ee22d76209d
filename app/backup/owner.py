"""Whose the restored files are: root may restore for a server that runs as another user, who must be able to open them.

Any other user owns what it makes, and nothing is to be done. What was moved aside stays whose it was.
"""

from __future__ import annotations

import os
from pathlib import Path


def give_to_owner_of(model: Path, *paths: Path) -> None:
    """Give the paths, not what is below them, to the user and the group that own `model`."""
    if os.geteuid() != 0:
        return
    owner = model.stat()
    for path in paths:
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def make_folder(path: Path, model: Path) -> None:
    """The private folder, and those above it, where there are none, for the owner of `model`."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    give_to_owner_of(model, *missing)
