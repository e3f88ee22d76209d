"""The shell scripts around a job's own text. They are short, because a person may meet them in a process list."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

# A shell that waits for a command dies of a signal at once and takes the command's exit code along. With this it waits
# for the command, which got the signal too, and ends with its code: 75 from a program that saved its work stays 75.
PASS_ON = "trap 'exit $?' TERM INT USR1; "  # noqa: S105


def from_work(script: Path, work: Path) -> Path:
    """The script as seen from the job's folder, where it starts: the shell puts this before each of its messages."""
    return Path(os.path.relpath(script, work))


def stage_script(text: str) -> str:
    """The job's own text on its own line numbers."""
    return f"{PASS_ON}{text}\n"


def env_script(env: Mapping[str, str]) -> str:
    """The job's variables for a shell to read, where no other program may see them."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in env.items())


def read_env_then(env: Path, argv: list[str]) -> list[str]:
    """A command that reads the variables and becomes `argv`."""
    return ["/bin/sh", "-c", '. "$0"; exec "$@"', str(env), *argv]


def container_script(control: Path, marks: Path, work: Path, *, has_setup: bool) -> str:
    """Setup and run in one container, so that what setup installs is there; the marks say how far it came."""
    lines = [
        f"cd {shlex.quote(str(control))}",
        "shell=sh; command -v bash >/dev/null 2>&1 && shell=bash",
        f": >{shlex.quote(str(marks / 'began'))}",
        ". ./env",
        f"cd {shlex.quote(str(work))}",
    ]
    if has_setup:
        failed = shlex.quote(str(marks / "setup-failed"))
        setup = shlex.quote(str(from_work(control / "setup", work)))
        lines += [PASS_ON, f'"$shell" {setup} || {{ code=$?; : >{failed}; exit "$code"; }}', "trap - TERM INT USR1"]
    return "\n".join([*lines, f'exec "$shell" {shlex.quote(str(from_work(control / "run", work)))}', ""])
