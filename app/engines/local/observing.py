"""What is known of one attempt, read from its folder as cheaply as it can be: what can't change is read once."""

from __future__ import annotations

import contextlib
import os
import time
from datetime import UTC, datetime
from pathlib import Path

from app.engines.local import logs
from app.engines.local.files import read_items, read_record, write_record
from app.engines.local.leftovers import kill_leftovers
from app.engines.local.machine import boot_id, start_time
from app.engines.protocol import EndCause, Observation, Phase

LOOK_SECONDS = 1.0  # how often a supervisor's life is looked at
OWN_CAUSES = {"max_duration": EndCause.TIMED_OUT, "disk_full": EndCause.DISK_FULL}
GONE = "Its folder is gone from this machine; somebody removed it, or the server was restored from a backup."


class Watched:
    def __init__(self, attempt_id: str, folder: Path) -> None:
        self.attempt_id = attempt_id
        self.folder = folder
        self._out = folder / "out"
        self._end_file, self._orders = str(folder / "ended"), (str(folder / "stop"), str(folder / "stopping"))
        self._claim: dict[str, str] | None = None
        self._end: Observation | None = None
        self._segment: tuple[int, str] | None = None
        self._look_at = 0.0

    @property
    def is_claimed(self) -> bool:
        if self._claim is None:
            self._claim = read_record(self.folder / "claim")
        return self._claim is not None

    @property
    def pid(self) -> int:
        """The supervisor's process, once the attempt is claimed."""
        assert self._claim is not None
        return int(self._claim["pid"])

    @property
    def is_gone(self) -> bool:
        """Whether its folder was removed. Where all attempts' folders are away a disk is, which says nothing of it."""
        return not self.folder.exists() and self.folder.parent.exists()

    @property
    def has_ended(self) -> bool:
        return self._end is not None

    def end(self) -> Observation | None:
        """The end, once there is one; it never changes."""
        if self._end is None and os.path.exists(self._end_file) and (record := read_record(self.folder / "ended")):
            self._end = _ended(record, _time((read_record(self.folder / "claim") or {}).get("started")))
        return self._end

    def observe(self) -> Observation:
        if end := self.end():
            return end
        if not self.is_claimed:
            return self._give_up() if self.is_gone else Observation(phase=Phase.PENDING)
        if why := self._why_lost():
            return self.end() or (self._give_up() if self.is_gone else self._close(why))
        assert self._claim is not None
        phase, started_at = self._phase(), _time(self._claim.get("started"))
        cause = self._own_cause() if phase is Phase.STOPPING else None
        return Observation(phase=phase, started_at=started_at, cause=cause, log_size=self._log_size())

    def _phase(self) -> Phase:
        return Phase.STOPPING if any(map(os.path.exists, self._orders)) else Phase.RUNNING

    def _own_cause(self) -> EndCause | None:
        """Why it is stopped though nobody ordered it."""
        try:
            return OWN_CAUSES.get((self.folder / "stopping").read_text())
        except FileNotFoundError:
            return None

    def _log_size(self) -> int:
        """One look at the newest segment known, unless the next one has begun: it is named by where this one ends."""
        if self._segment is not None:
            start, path = self._segment
            size = os.stat(path).st_size if os.path.exists(path) else 0
            if size and not os.path.exists(f"{self._out}/{logs.segment_name(start + size)}"):
                return start + size
        starts = logs.segments(self._out)
        self._segment = (starts[-1], str(logs.segment_path(self._out, starts[-1]))) if starts else None
        return logs.log_size(self._out)

    def _why_lost(self) -> str:
        """A sentence where the supervisor is certainly gone; looked at once a second."""
        if time.monotonic() < self._look_at:
            return ""
        self._look_at = time.monotonic() + LOOK_SECONDS
        assert self._claim is not None
        if self.is_gone:
            return GONE
        if self._claim.get("boot") != boot_id():
            return "The machine restarted while it ran."
        if start_time(int(self._claim["pid"])) != self._claim["start"]:
            return "Its supervisor vanished; its container restarted, or somebody killed it."
        return ""

    def _close(self, why: str) -> Observation:
        """Nobody else will write the end of this attempt, so it is written here."""
        kill_leftovers(self.attempt_id, read_items(self.folder / "spec"))
        record = {"cause": EndCause.MACHINE_LOST.value, "detail": why, "finished": repr(self._last_sign())}
        write_record(self.folder / "ended", record | {"log_size": str(logs.log_size(self._out))})
        end = self.end()
        assert end is not None
        return end

    def _give_up(self) -> Observation:
        """Without its folder it can neither be stopped nor tell its end, so what still runs of it is ended here.

        Nothing is touched unless its claim was seen here: the server may be the restored copy of one that runs it.
        """
        started_at = None
        if self._claim is not None:
            kill_leftovers(self.attempt_id, {})
            started_at = _time(self._claim.get("started"))
        self._end = Observation(phase=Phase.LOST, started_at=started_at, cause=EndCause.MACHINE_LOST, detail=GONE)
        return self._end

    def refuse(self, why: str) -> Observation:
        """End what never began. With the claim made here, no supervisor that is late can run it any more.

        The disk may be full, so the claim is empty, and the end is known here even where it can't be written.
        """
        spec = read_items(self.folder / "spec")
        try:
            os.close(os.open(self.folder / "claim", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            return self.observe()  # one came after all
        now = time.time()
        self._end = Observation(
            phase=Phase.ENDED, cause=EndCause.NOT_STARTED, detail=why, finished_at=datetime.fromtimestamp(now, UTC)
        )
        with contextlib.suppress(OSError):
            (self.folder / "env").unlink(missing_ok=True)  # it holds the secrets
            kill_leftovers(self.attempt_id, spec)
            record = {"cause": EndCause.NOT_STARTED.value, "detail": why, "finished": repr(now)}
            write_record(self.folder / "ended", record)
        return self._end

    def _last_sign(self) -> float:
        """When it was last seen alive: its newest output, or its claim."""
        assert self._claim is not None
        if self._claim.get("boot") == boot_id():
            return time.time()
        newest = [logs.segment_path(self._out, start) for start in logs.segments(self._out)[-1:]]
        return max(file.stat().st_mtime for file in (self.folder / "claim", *newest))


def _ended(record: dict[str, str], started_at: datetime | None) -> Observation:
    cause = EndCause(record["cause"])
    return Observation(
        phase=Phase.LOST if cause is EndCause.MACHINE_LOST else Phase.ENDED,
        started_at=started_at,
        finished_at=_time(record["finished"]),
        exit_code=int(record["exit_code"]) if "exit_code" in record else None,
        signal=int(record["signal"]) if "signal" in record else None,
        cause=cause,
        detail=record.get("detail", ""),
        log_size=int(record.get("log_size", "0")),
    )


def _time(seconds: str | None) -> datetime | None:
    return datetime.fromtimestamp(float(seconds), UTC) if seconds else None
