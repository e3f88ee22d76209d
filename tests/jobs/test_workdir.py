"""A checkout by the real Git, from a repository on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from app.jobs.workdir import GitWorkdir, checkout, fill_in
from tests.jobs.bodies import submit
from tests.peers import unavailable


@pytest.fixture(autouse=True)
def real_git() -> None:
    if shutil.which("git") is None:
        unavailable("git is not installed")


def git(where: Path, *words: str) -> str:
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "init.defaultBranch=main")
    done = subprocess.run(["git", *who, *words], cwd=where, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    where = tmp_path / "code's home"
    where.mkdir()
    git(where, "init", "-q")
    for content in ("one", "two"):
        (where / "main.txt").write_text(content)
        git(where, "add", ".")
        git(where, "commit", "-qm", content)
        git(where, "tag", content)
    return where


def run(workdir: GitWorkdir, where: Path) -> subprocess.CompletedProcess[str]:
    where.mkdir(exist_ok=True)
    environment = {"PATH": os.environ["PATH"], "HOME": str(where)}
    return subprocess.run(
        ["sh", "-c", checkout(workdir)], cwd=where, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(("ref", "content"), [(None, "two"), ("main", "two"), ("one", "one")])
def test_a_branch_a_tag_or_the_default(repository: Path, tmp_path: Path, ref: str | None, content: str) -> None:
    job = tmp_path / "job"
    job.mkdir()
    (job / "kept").write_text("kept")
    workdir = GitWorkdir.model_construct(url=str(repository), ref=ref)
    for _ in range(2):  # a second attempt does it again
        assert run(workdir, job).returncode == 0
    assert (job / "main.txt").read_text() == content
    assert (job / "kept").read_text() == "kept"


def test_a_commit(repository: Path, tmp_path: Path) -> None:
    commit = git(repository, "rev-parse", "one")
    assert run(GitWorkdir.model_construct(url=str(repository), ref=commit), tmp_path / "job").returncode == 0
    assert (tmp_path / "job" / "main.txt").read_text() == "one"


def test_what_is_not_there_fails(repository: Path, tmp_path: Path) -> None:
    assert run(GitWorkdir.model_construct(url=str(repository), ref="nowhere"), tmp_path / "job").returncode == 1
    assert run(GitWorkdir.model_construct(url=str(tmp_path / "no"), ref=None), tmp_path / "job2").returncode == 1


def test_nothing_reaches_the_shell_unquoted(tmp_path: Path) -> None:
    evil = GitWorkdir.model_construct(url="https://h/'; touch pwned; echo '", ref="$(touch pwned)")
    run(evil, tmp_path / "job")
    assert not (tmp_path / "job" / "pwned").exists()


def test_setup_follows_the_checkout() -> None:
    body = submit(workdir={"url": "https://example.org/a.git"}, setup="make")
    script = body.setup_script
    assert script is not None and script.endswith("\nmake")
    assert "git remote add origin https://example.org/a.git" in script
    assert submit().setup_script is None


def test_only_known_variables_are_filled_in() -> None:
    assert fill_in({"$A": ["${A}b", "$B", 3]}, {"A": 1, "C": None}) == {"1": ["1b", "$B", 3]}
