"""`python -m bench [LINE…] [--jobs N] [--write]`: measure, print the table, and with --write keep it in RESULTS.md."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from bench import lines
from bench.authenticating import authenticating
from bench.result import Result

HEAD = "| work | measured | to reach | reached | floor, same run | × floor | |\n|---|---|---|---|---|---|---|"
KEPT = Path(__file__).with_name("RESULTS.md")


def main() -> None:
    arguments = _arguments()
    groups: dict[str, Callable[[Path], list[Result]]] = {
        "submitting": lines.submitting,
        "listing": lambda folder: lines.listing(folder, arguments.jobs),
        "stopping": lines.stopping,
        "starting": lines.starting,
        "running": lines.running,
        "visiting": lines.visiting,
        "authenticating": authenticating,
    }
    chosen = arguments.lines or list(groups)
    results: list[Result] = []
    for name in chosen:
        folder = Path(tempfile.mkdtemp(prefix="lattice-bench-"))
        try:
            found = groups[name](folder / "server")
        finally:
            lines.clean(folder)
        results += found
        print("\n".join(r.row() for r in found), flush=True)
    if arguments.write:
        KEPT.write_text(_document(results))
    sys.exit(0 if all(r.reached for r in results) else 1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("lines", nargs="*", help="which groups of lines; default: all")
    parser.add_argument("--jobs", type=int, default=1_000_000, help="stored jobs for the lists")
    parser.add_argument("--write", action="store_true", help="keep the table in bench/RESULTS.md")
    return parser.parse_args()


def _document(results: list[Result]) -> str:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    return "\n".join([
        "# Results", "",
        f"Commit {commit.strip()}, {datetime.now(UTC):%Y-%m-%d}, {machine}, SQLite. Made by `python -m bench --write`.",
        "Each line stands beside a raw floor measured in the same run; × floor is how many times the floor it costs.",
        "", HEAD, *(r.row() for r in results), "",
    ])  # fmt: skip


if __name__ == "__main__":
    main()
