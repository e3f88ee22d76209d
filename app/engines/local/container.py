"""Podman or Docker: which one is usable, and the command that runs an attempt inside an image.

The tool itself runs with the server's own HOME and PATH alone; a job's variables are read by the script inside.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from app.engines.protocol import Share

PROBE_SECONDS = 20
KEEP_SECONDS = 60.0  # how long an answer about the tool is believed
CDI = ("/etc/cdi/nvidia.yaml", "/var/run/cdi/nvidia.yaml", "/run/cdi/nvidia.yaml", "/etc/cdi/nvidia.json")
TOOL_NAMES = (
    *("HOME", "PATH", "XDG_RUNTIME_DIR", "XDG_DATA_HOME", "XDG_CONFIG_HOME"),
    *(
        "CONTAINERS_CONF",
        "CONTAINERS_STORAGE_CONF",
        "DOCKER_HOST",
        "DOCKER_CONFIG",
        "DOCKER_CERT_PATH",
        "DOCKER_TLS_VERIFY",
    ),
)


@dataclass(frozen=True)
class Tool:
    argv: tuple[str, ...]  # the program and its general options
    run_options: tuple[str, ...]
    limits: bool
    why_not: str | None
    checked_at: float

    @cached_property
    def is_podman(self) -> bool:
        return bool(self.argv) and Path(self.argv[0]).name == "podman"


_known: list[Tool] = []


def find_tool() -> Tool:
    """The first usable of Podman and Docker; `why_not` is a sentence where neither is."""
    if not _known or time.monotonic() - _known[0].checked_at > KEEP_SECONDS:
        _known[:] = [_look()]
    return _known[0]


def _look() -> Tool:
    troubles = []
    for name in ("podman", "docker"):
        if path := shutil.which(name):
            tool = _podman(path) if name == "podman" else _tool((path,), (), limits=True)
            if not (trouble := _trouble(tool)):
                return tool
            troubles.append(f"{name} is installed but can't be used: {trouble}")
    why = " ".join(troubles) or "Neither podman nor docker is installed; install the package podman."
    return _tool((), (), limits=False, why_not=why)


def _tool(argv: Sequence[str], options: Sequence[str], *, limits: bool, why_not: str | None = None) -> Tool:
    return Tool(tuple(argv), tuple(options), limits, why_not, time.monotonic())


def _podman(path: str) -> Tool:
    """Without systemd groups are made directly; crun refuses a mix of versions, where runc does not."""
    argv = [path]
    unified = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    if not Path("/run/systemd/system").exists():
        argv += ["--cgroup-manager", "cgroupfs"]
    if not unified and (runc := shutil.which("runc")):
        argv += ["--runtime", runc]
    limits = os.geteuid() == 0 or unified
    return _tool(argv, ["--ulimit", "host"] + ([] if limits else ["--cgroups", "disabled"]), limits=limits)


def _trouble(tool: Tool) -> str:
    try:
        run = subprocess.run(
            [*tool.argv, "info"], capture_output=True, text=True, timeout=PROBE_SECONDS, check=False, env=tool_env()
        )
    except subprocess.TimeoutExpired:
        return f"it did not answer within {PROBE_SECONDS} seconds."
    if run.returncode == 0:
        return ""
    lines = (run.stderr or run.stdout).strip().splitlines()
    return (lines[-1][:300] if lines else f"exit code {run.returncode}") + "."


def tool_env() -> dict[str, str]:
    """What Podman and Docker need of the server's environment to find their storage and their daemon."""
    return {name: os.environ[name] for name in TOOL_NAMES if name in os.environ}


def run_argv(
    tool: Tool, *, name: str, image: str, share: Share, mounts: Sequence[tuple[Path, str]], work: Path, script: Path
) -> list[str]:
    """The command that runs `script` in the image, with its mounts at the same paths as outside."""
    argv = [*tool.argv, "run", "--name", name, "--network", "host", "--security-opt", "no-new-privileges"]
    argv += [*tool.run_options, *(["--sig-proxy=false"]), *_limits(tool, share), *_gpus(tool, share)]
    for path, mode in mounts:
        argv += ["--volume", f"{path}:{path}:{mode}"]
    return [*argv, "--workdir", str(work), "--entrypoint", "sh", "--", image, str(script)]


def _limits(tool: Tool, share: Share) -> list[str]:
    if not tool.limits:
        return []
    memory = (share.memory_tenths << 30) // 10
    return ["--cpus", f"{share.cpu_tenths / 10:g}", "--memory", str(memory), "--pids-limit", "16384"]


def _gpus(tool: Tool, share: Share) -> list[str]:
    if not share.gpu_indices:
        return []
    if tool.is_podman or any(Path(path).exists() for path in CDI):
        return [word for index in share.gpu_indices for word in ("--device", f"nvidia.com/gpu={index}")]
    return ["--gpus", '"device=' + ",".join(map(str, share.gpu_indices)) + '"']
