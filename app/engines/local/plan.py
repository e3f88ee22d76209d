"""Turns a `Launch` into what the supervisor reads: commands, variables, limits. It decides; the supervisor only obeys.

Variables may hold secrets: they go into files that only the job's user or nobody else can read, never into a command.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from app.engines.local import isolation, scripts
from app.engines.local.cgroups import Cgroups
from app.engines.local.container import find_tool, run_argv, tool_env
from app.engines.local.folders import Folders, closed_ancestor
from app.engines.local.uids import lease_path
from app.engines.protocol import EngineError, Isolation, Launch, Share

Items = list[tuple[str, str]]

ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
SYSTEM_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


@dataclass(slots=True)
class Plan:
    """`items` and `env` are for the supervisor; `scripts` are files of the job's control folder."""

    items: Items
    env: dict[str, str]
    scripts: dict[str, str]
    uid: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """Where an attempt's things are, as the job sees them."""

    folder: Path
    checkpoints: Path
    control: Path = field(init=False)
    work: Path = field(init=False)
    marks: Path = field(init=False)
    stop_file: Path = field(init=False)

    def __post_init__(self) -> None:
        for name in ("control", "work", "marks"):
            object.__setattr__(self, name, self.folder / name)
        object.__setattr__(self, "stop_file", self.folder / "control" / "stop.json")


def paths_of(folders: Folders, launch: Launch) -> Paths:
    return Paths(
        folder=folders.job_side(launch.attempt_id, for_user=launch.isolation is Isolation.USER),
        checkpoints=folders.checkpoints(launch.job_id, launch.isolation),
    )


def make_plan(folders: Folders, cgroups: Cgroups, launch: Launch, uid: int | None) -> Plan:
    share = only_share(launch)
    paths = paths_of(folders, launch)
    plan = Plan(_common_items(launch, paths), _job_env(launch, share, paths, uid), _stage_scripts(launch), uid)
    if launch.isolation is Isolation.CONTAINER:
        _in_container(plan, launch, share, paths)
    elif launch.image:
        raise EngineError("The job has an `image`, and its pool runs no containers.", retry=False)
    else:
        plan.items += cgroups.items(launch.attempt_id, share.cpu_tenths, share.memory_tenths)
        _on_this_system(plan, launch, paths, folders.home.parent)
    if uid is not None:
        plan.items += [("owner", str(uid)), ("lease", str(lease_path(folders, uid)))]
    return plan


def only_share(launch: Launch) -> Share:
    if len(launch.shares) != 1:
        raise EngineError("This pool has one machine, so a job can have one node.", retry=False)
    return launch.shares[0]


def _common_items(launch: Launch, paths: Paths) -> Items:
    duration = "" if launch.max_duration is None else repr(float(launch.max_duration))
    return [
        ("attempt", launch.attempt_id),
        ("log_limit", str(launch.log_limit)),
        ("max_duration", duration),
        ("signal", launch.stop.signal.value),
        ("grace", repr(float(launch.stop.grace))),
        ("work", str(paths.work)),
        ("stop_file", str(paths.stop_file)),
        ("close", str(paths.folder)),
        ("close", str(paths.checkpoints)),
    ]


def _stage_scripts(launch: Launch) -> dict[str, str]:
    texts = {"setup": launch.setup or "", "run": launch.run}
    return {name: scripts.stage_script(text) for name, text in texts.items() if text.strip() or name == "run"}


def _job_env(launch: Launch, share: Share, paths: Paths, uid: int | None) -> dict[str, str]:
    env = {**_base_env(launch.isolation, paths, uid), **_checked(launch.envs)}
    gpus = ",".join(map(str, share.gpu_indices))
    env |= {
        "LATTICE_JOB_ID": launch.job_id,
        "LATTICE_ATTEMPT_ID": launch.attempt_id,
        "LATTICE_STOP_FILE": str(paths.stop_file),
        "LATTICE_CHECKPOINT_DIR": str(paths.checkpoints),
        "SKYPILOT_NODE_RANK": "0",
        "SKYPILOT_NODE_IPS": "127.0.0.1",
        "SKYPILOT_NUM_NODES": "1",
        "SKYPILOT_NUM_GPUS_PER_NODE": str(len(share.gpu_indices)),
        "SKYPILOT_TASK_ID": launch.job_id,
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # NVML counts this way, and the indices are NVML's
        "CUDA_VISIBLE_DEVICES": gpus,
    }
    return env


def _checked(envs: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in envs.items():
        if not ENV_NAME.fullmatch(name):
            raise EngineError(f"{name!r} can't be the name of an environment variable.", retry=False)
        if "\0" in value:
            raise EngineError(f"The environment variable {name} holds a NUL character.", retry=False)
    return envs


def _base_env(kind: Isolation, paths: Paths, uid: int | None) -> dict[str, str]:
    env = {"LANG": "C.UTF-8", "TERM": "xterm-256color"}
    if kind is Isolation.CONTAINER:
        return env  # HOME and PATH are the image's
    env |= {"PATH": job_path(kind), "SHELL": shell()}
    if kind is Isolation.NONE:
        home, name = _server_user()
        return env | {"HOME": home, "USER": name, "LOGNAME": name}
    name = f"lattice-{uid or os.geteuid()}"
    return env | {"HOME": str(paths.work), "USER": name, "LOGNAME": name}


def _server_user() -> tuple[str, str]:
    """The home folder and the name of the user whom the server runs as; in a container no account may be his."""
    try:
        me = pwd.getpwuid(os.geteuid())
    except KeyError:
        return os.environ.get("HOME", "/"), str(os.geteuid())
    return me.pw_dir, me.pw_name


@cache
def job_path(kind: Isolation) -> str:
    """The usual folders; before them those of the server's own PATH that the job may enter, its venv left out."""
    own = Path(sys.prefix).resolve()
    found = []
    for text in os.environ.get("PATH", "").split(":"):
        path = Path(text)
        is_there = os.path.isdir(path)  # unlike a Path's own method, it takes what can't be looked at for absent
        outside = path.is_absolute() and is_there and own not in (path.resolve(), *path.resolve().parents)
        if outside and (kind is Isolation.NONE or (kind is Isolation.USER and not closed_ancestor(path.resolve()))):
            found.append(text)
    return ":".join(dict.fromkeys((*found, *SYSTEM_PATH)))


@cache
def shell() -> str:
    return shutil.which("bash", path=":".join(SYSTEM_PATH)) or "/bin/sh"


def stage_argv(script: Path) -> list[str]:
    """Bash where there is one, without anybody's start-up files."""
    options = ["--noprofile", "--norc"] if shell().endswith("bash") else []
    return [shell(), *options, str(script)]


def _on_this_system(plan: Plan, launch: Launch, paths: Paths, data_folder: Path) -> None:
    groups = isolation.gpu_groups() if plan.uid is not None else []
    is_wrapped = launch.isolation is Isolation.BUBBLEWRAP
    for stage in [name for name in ("setup", "run") if name in plan.scripts]:
        argv = stage_argv(scripts.from_work(paths.control / stage, paths.work))
        if is_wrapped:
            argv = _wrapped(argv, plan.uid, groups, paths, data_folder)
        plan.items += [(stage, word) for word in argv]
    if is_wrapped:
        plan.scripts["env"] = scripts.env_script(plan.env)
        plan.env = {"PATH": ":".join(SYSTEM_PATH)}
        plan.items += [("wrapper", "bwrap"), ("remove", str(paths.control / "env"))]
    elif plan.uid is not None:
        plan.items += [("uid", str(plan.uid)), *(("group", str(group)) for group in groups)]


def _wrapped(argv: list[str], uid: int | None, groups: list[int], paths: Paths, hidden: Path) -> list[str]:
    inner = scripts.read_env_then(paths.control / "env", argv)
    if uid is not None:
        inner = [*isolation.drop_to(uid, groups), *inner]
    box = isolation.bubblewrap_argv(
        paths.work, writable=(paths.work, paths.checkpoints), read_only=(paths.control,), hidden=hidden
    )
    return [*box, *inner]


def _in_container(plan: Plan, launch: Launch, share: Share, paths: Paths) -> None:
    tool = find_tool()
    if tool.why_not:
        raise EngineError(tool.why_not, retry=False)
    if not launch.image:
        raise EngineError("A job in a container needs an `image`.", retry=False)
    name = "lattice-" + launch.attempt_id.replace("_", "-")
    mounts = [(paths.control, "ro"), (paths.work, "rw"), (paths.marks, "rw"), (paths.checkpoints, "rw")]
    plan.scripts["env"] = scripts.env_script(plan.env)
    plan.scripts["start"] = scripts.container_script(
        paths.control, paths.marks, paths.work, has_setup="setup" in plan.scripts
    )
    argv = run_argv(
        tool,
        name=name,
        image=launch.image,
        share=share,
        mounts=mounts,
        work=paths.work,
        script=paths.control / "start",
    )
    plan.env = tool_env()
    plan.items += [("run", word) for word in argv] + [("tool", word) for word in tool.argv]
    plan.items += [("container", name), ("marks", str(paths.marks)), ("remove", str(paths.control / "env"))]
