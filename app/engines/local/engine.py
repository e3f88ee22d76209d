"""The local engine: jobs on this machine, each under a supervisor of its own that outlives the server.

It starts supervisors and reads what they left in their folders; it holds nothing that can't be read again after a
crash, and it never runs a job's own text itself.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from app.engines.local import isolation, logs, machine
from app.engines.local.bundle import build_supervisor
from app.engines.local.cgroups import detect
from app.engines.local.files import read_record, remove_tree, write_items, write_record, write_script
from app.engines.local.folders import Folders
from app.engines.local.gpus import Gpus
from app.engines.local.observing import Watched
from app.engines.local.plan import Plan, make_plan, paths_of
from app.engines.local.starting import Starter
from app.engines.local.uids import give_folder, hold_uid
from app.engines.local.wake import Wake
from app.engines.protocol import (
    EngineError,
    Isolation,
    Launch,
    LogPiece,
    NodeReport,
    Observation,
    Offer,
    Phase,
    StopOrder,
)

OUTSIDE = Path("/var/lib/lattice")
KEPT = 10_000  # attempts whose ends are kept in memory; others are read again


class LocalEngine:
    """`home` is its folder (of one server alone), `fake_gpus` such as "H100:8" stands in for what NVML would find.

    Jobs with a user of their own keep their files under `outside` where other users can't pass through to `home`.

    Raises EngineError where `home` can't be used, and ValueError where `fake_gpus` can't be read.
    """

    def __init__(
        self,
        home: Path,
        *,
        node_name: str,
        fake_gpus: str = "",
        outside: Path = OUTSIDE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._node_name = node_name
        self._gpus = Gpus(fake_gpus, clock)
        self._lock = threading.RLock()
        self._watched: dict[str, Watched] = {}
        try:
            self._folders = Folders(home, outside)
            self._supervisor = build_supervisor(self._folders.home)
            self._wake = Wake(self._folders.home / "wake")
            for half_made in self._folders.attempts.glob(".new-*"):
                remove_tree(half_made)
        except OSError as error:
            raise EngineError(f"The folder {home} can't be used: {error.strerror}.", retry=False) from error
        self._cgroups = detect()
        self._starter = Starter(os.path.realpath(sys.executable), self._supervisor, clock)

    # --- what the machine has

    def nodes(self) -> Sequence[NodeReport]:
        found, how_found = self._gpus.now()
        return (
            NodeReport(
                name=self._node_name,
                cpu_tenths=machine.cpu_tenths(),
                memory_tenths=machine.memory_tenths(),
                gpus=found,
                facts={
                    **machine.general_facts(),
                    "cgroups": self._cgroups.description,
                    "gpus": how_found,
                    "work folders": self._work_folders(),
                },
            ),
        )

    def _work_folders(self) -> str:
        return "; with isolation by user in ".join(str(root / "work") for root in self.work_roots())

    def work_roots(self) -> Sequence[Path]:
        """The folders under which jobs keep their files: those with a user of their own may have another one."""
        has_outside = os.geteuid() == 0 and self._folders.is_closed
        return (self._folders.home, self._folders.outside) if has_outside else (self._folders.home,)

    def offers(self) -> Sequence[Offer]:
        """The whole machine, once for each GPU model; it costs nothing an hour, as it is owned."""
        node = self.nodes()[0]
        models: dict[str | None, int] = {}
        for gpu in node.gpus:
            models[gpu.model] = models.get(gpu.model, 0) + 1
        return [
            Offer(
                name=node.name,
                cpu_tenths=node.cpu_tenths,
                memory_tenths=node.memory_tenths,
                gpu_model=model,
                gpus=count,
                price_per_hour=0,
            )
            for model, count in (models or {None: 0}).items()
        ]

    def available_isolations(self) -> dict[Isolation, str | None]:
        """Isolation → None where it can be used, else a sentence that says why not."""
        return isolation.available_isolations(self._folders)

    # --- starting

    def submit(self, launch: Launch) -> str:
        with self._lock:
            try:
                if not self._folders.attempt(launch.attempt_id).exists():
                    self._create(launch)
                self._ensure_supervisor(launch.attempt_id)
            except OSError as error:
                at = error.filename or self._folders.attempts
                raise EngineError(f"The attempt's folder could not be made: {at}: {error.strerror}.") from error
        return launch.attempt_id

    def _create(self, launch: Launch) -> None:
        plan = make_plan(self._folders, self._cgroups, launch, self._uid(launch))
        new = self._folders.attempts / f".new-{launch.attempt_id}-{secrets.token_hex(4)}"
        try:
            self._make_job_side(launch, plan)
            new.mkdir(mode=0o700)
            (new / "out").mkdir(mode=0o700)
            os.mkfifo(new / "ctl", 0o600)
            write_items(new / "spec", plan.items)
            write_items(new / "env", plan.env.items())
            new.rename(self._folders.attempt(launch.attempt_id))
        except (OSError, EngineError):  # on a full disk it is tried again and again
            _remove(new, *self._folders.job_sides(launch.attempt_id))
            raise

    def _uid(self, launch: Launch) -> int | None:
        is_root = os.geteuid() == 0
        if launch.isolation is Isolation.USER and not is_root:
            raise EngineError("A separate user for each job needs the server to run as root.", retry=False)
        if launch.isolation is Isolation.USER or (launch.isolation is Isolation.BUBBLEWRAP and is_root):
            return hold_uid(self._folders, launch.attempt_id, launch.job_id)
        return None

    def _make_job_side(self, launch: Launch, plan: Plan) -> None:
        paths = paths_of(self._folders, launch)
        for path in (paths.folder, paths.control, paths.work, paths.marks, paths.checkpoints):
            path.mkdir(exist_ok=True, mode=0o700)
        paths.folder.chmod(0o711)
        for name, text in plan.scripts.items():
            write_script(paths.control / name, text, plan.uid)
        if launch.isolation is Isolation.CONTAINER:
            for path in (paths.work, paths.marks, paths.checkpoints):
                path.chmod(0o777)  # an image may have a user of its own; the folder above is closed
            paths.folder.chmod(0o700)
        if plan.uid is not None:
            os.chown(paths.control, 0, plan.uid)
            paths.control.chmod(0o750)
            give_folder(paths.work, plan.uid)
            give_folder(paths.checkpoints, plan.uid)

    def _ensure_supervisor(self, attempt_id: str) -> None:
        """Start one unless the claim is made or one is on its way; a second one does no harm."""
        if not self._watch(attempt_id).is_claimed:
            self._starter.reap()
            self._starter.ensure(attempt_id, self._folders.attempt(attempt_id))

    # --- watching

    def find(self, attempt_ids: Sequence[str]) -> Mapping[str, str]:
        return {name: name for name in attempt_ids if self._folders.attempt(name).exists()}

    def observe(self, handles: Mapping[str, str]) -> Mapping[str, Observation]:
        with self._lock:
            self._starter.reap()
            return {attempt_id: seen for attempt_id in handles if (seen := self._observe(attempt_id))}

    def at_work(self) -> Mapping[str, int]:
        """Attempt → its supervisor's process id, for all that run here, whoever submitted them."""
        return {name: pid for name in self._folders.unended() if (pid := self._pid_at_work(name)) is not None}

    def _pid_at_work(self, attempt_id: str) -> int | None:
        with self._lock:
            watched, seen = self._watch(attempt_id), self._observe(attempt_id)
            return watched.pid if seen is not None and seen.phase in (Phase.RUNNING, Phase.STOPPING) else None

    def _observe(self, attempt_id: str) -> Observation | None:
        watched = self._watch(attempt_id)
        try:
            seen = watched.observe()
            if seen.phase is Phase.PENDING:
                return self._see_to_start(watched) or seen
            self._starter.settle(attempt_id)
        except (OSError, KeyError, ValueError):
            return None  # a full or failing disk says nothing about the job
        return seen

    def _see_to_start(self, watched: Watched) -> Observation | None:
        """What there is to see where it will never start."""
        if why := self._starter.why_not(watched.attempt_id):
            return watched.refuse(why)
        self._ensure_supervisor(watched.attempt_id)
        return None

    def _watch(self, attempt_id: str) -> Watched:
        if len(self._watched) > KEPT:
            self._watched = {name: watched for name, watched in self._watched.items() if not watched.has_ended}
        if attempt_id not in self._watched:
            self._watched[attempt_id] = Watched(attempt_id, self._folders.attempt(attempt_id))
        return self._watched[attempt_id]

    def wait_for_change(self, timeout: float) -> bool:
        """Block until an attempt started, began to stop or ended, or `interrupt` was called.

        False where nothing of it happened within `timeout` seconds.
        """
        return self._wake.wait(timeout)

    def interrupt(self) -> None:
        """End the present wait, or the next one, from another thread."""
        self._wake.poke()

    def close(self) -> None:
        """Let go of the wake pipe. Running jobs go on."""
        self._starter.reap()
        self._wake.close()

    # --- stopping

    def stop(self, attempt_id: str, handle: str, order: StopOrder) -> None:
        folder = self._folders.attempt(attempt_id)
        with self._lock:
            if not folder.exists() or self._watch(attempt_id).end():
                return
            try:
                self._pass_on(folder, order)
            except OSError as error:
                raise EngineError(f"The stop could not be written: {error.strerror}.") from error

    def _pass_on(self, folder: Path, order: StopOrder) -> None:
        before = read_record(folder / "stop")
        if before is None or (order.at_once and before["at_once"] == "0"):
            record = {
                "reason": order.reason.value,
                "signal": order.signal.value,
                "grace": repr(float(order.grace)),
                "at_once": str(int(order.at_once)),
            }
            write_record(folder / "stop", record)
        with contextlib.suppress(OSError):  # no reader: the order is read when the supervisor starts
            fd = os.open(folder / "ctl", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                os.write(fd, b"\n")
            finally:
                os.close(fd)

    # --- output

    def read_log(self, attempt_id: str, handle: str, offset: int, limit: int) -> LogPiece:
        out = self._folders.attempt(attempt_id) / "out"
        with self._lock:
            watched = self._watch(attempt_id)
            has_ended = watched.end() is not None or watched.is_gone
        try:
            start, data = logs.read_piece(out, offset, limit)
            complete = has_ended and start + len(data) >= logs.log_size(out)
        except OSError as error:
            raise EngineError(f"The output could not be read: {error.strerror}.") from error
        return LogPiece(start=start, data=data, complete=complete)

    # --- removing

    def discard(self, attempt_id: str, handle: str) -> None:
        with self._lock:
            watched = self._watch(attempt_id)
            if watched.is_claimed and not watched.end():
                raise EngineError(f"The attempt {attempt_id} has not ended yet.")
            _remove(*self._folders.job_sides(attempt_id), watched.folder)
            self._watched.pop(attempt_id, None)
            self._starter.settle(attempt_id)

    def discard_job(self, job_id: str) -> None:
        _remove(*self._folders.all_checkpoints(job_id))


def _remove(*folders: Path) -> None:
    try:
        for folder in folders:
            remove_tree(folder)
    except OSError as error:
        raise EngineError(f"{error.filename} could not be removed: {error.strerror}.") from error
