"""`setup.sh` and `start.sh`: they say in a sentence what is missing, and do nothing twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.peers import ROOT, unavailable, wait_until
from tests.peers.server import ServerMaker

LINKED = ("app", "templates", "static", "migrations", "alembic.ini", ".env.example", "requirements.lock", ".venv")
SCRIPTS = ("setup.sh", "start.sh")
BARE = {"PATH": "/usr/bin:/bin"}  # without uv


def is_installed() -> bool:
    stamp = ROOT / ".venv/requirements.lock.sum"
    now = subprocess.run("cksum <requirements.lock", cwd=ROOT, shell=True, check=True, capture_output=True, text=True)
    return stamp.exists() and stamp.read_text() == now.stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder that looks like a clone in which the packages are installed, and nothing else was done."""
    if not is_installed():
        unavailable("the packages of requirements.lock are not installed (./setup.sh --dev)")
    for name in LINKED:
        (tmp_path / name).symlink_to(ROOT / name)
    for name in SCRIPTS:
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
        (tmp_path / name).chmod(0o755)
    return tmp_path


def run(command: list[str | Path], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, capture_output=True, text=True, env={**BARE, **environment})


def a_python(folder: Path, script: str) -> str:
    """A stand-in for a Python of another kind."""
    fake = folder / "python-of-another-kind"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    return str(fake)


def test_an_old_python_gets_a_sentence(checkout: Path) -> None:
    (checkout / ".venv").unlink()
    old = a_python(checkout, "case $2 in *exit*) exit 1 ;; esac; echo 3.9")
    done = run([checkout / "setup.sh"], PYTHON=old)
    assert done.returncode == 1
    assert done.stderr == f"Lattice needs Python 3.11 or newer, and {old} here is 3.9.\n"


def test_no_python_gets_a_sentence(checkout: Path) -> None:
    (checkout / ".venv").unlink()
    done = run([checkout / "setup.sh"], PYTHON="python-of-no-kind")
    assert done.returncode == 1
    assert done.stderr == "Lattice needs Python 3.11 or newer, and no python-of-no-kind is here.\n"


def test_a_python_without_venv_says_what_to_install(checkout: Path) -> None:
    (checkout / ".venv").unlink()
    bare = a_python(checkout, f'case $2 in *ensurepip*) exit 1 ;; esac; exec {sys.executable} "$@"')
    done = run([checkout / "setup.sh"], PYTHON=bare)
    assert done.returncode == 1
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert f"(on Debian: apt-get install python{version}-venv)" in done.stderr
    assert done.stderr.count("\n") == 1


def test_set_up_makes_a_private_env_file_once(checkout: Path) -> None:
    first = run([checkout / "setup.sh", "--no-migrate"])
    assert (first.returncode, first.stdout, first.stderr) == (0, "", "")
    settings = checkout / ".env"
    assert settings.stat().st_mode & 0o777 == 0o600
    settings.write_text("PORT=9000\n")
    assert run([checkout / "setup.sh", "--no-migrate"]).returncode == 0
    assert settings.read_text() == "PORT=9000\n"


def test_set_up_migrates_where_the_settings_say(checkout: Path) -> None:
    done = run([checkout / "setup.sh"], LATTICE_DATA_DIR=str(checkout / "kept"))
    assert done.returncode == 0, done.stderr
    assert (checkout / "kept/lattice.db").exists()


def test_an_unknown_option_gets_the_usage(checkout: Path) -> None:
    done = run([checkout / "setup.sh", "--nonsense"])
    assert done.returncode == 1
    assert "./setup.sh --dev" in done.stdout


def test_start_serves_and_installs_nothing_twice(checkout: Path, new_server: ServerMaker) -> None:
    server = new_server()
    server.launch_as([checkout / "start.sh"])
    wait_until(server.is_ready, what="the first start", seconds=60)
    assert server.stop() == 0
    server.launch_as([checkout / "start.sh"])
    wait_until(server.is_ready, what="the second start", seconds=60)
    assert "Installing" not in server.errors
    assert server.sign_in_link().startswith(server.url)
    assert server.stop() == 0
