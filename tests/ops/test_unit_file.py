"""The systemd unit is one that systemd accepts, and leaves jobs alone when the server stops."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.peers import ROOT, unavailable

UNIT = ROOT / "deploy/lattice.service"


def test_systemd_accepts_it(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        unavailable("systemd-analyze is not installed")
    command = ROOT / ".venv/bin/lattice"
    if not command.exists():
        unavailable("the unit's command is not installed (./setup.sh)")
    unit = tmp_path / "lattice.service"
    unit.write_text(UNIT.read_text().replace("/opt/lattice", str(ROOT)))
    done = subprocess.run(["systemd-analyze", "verify", unit], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_jobs_outlive_the_server() -> None:
    lines = UNIT.read_text().splitlines()
    assert {"KillMode=process", "OOMPolicy=continue", "Delegate=yes"} <= set(lines)
    assert not any(line.startswith(("PrivateTmp=", "PrivateDevices=", "MemoryMax=")) for line in lines)
