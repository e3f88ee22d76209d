"""One attempt: start its stages, pump the output, obey orders and deadlines, and leave no process behind."""

import _signal  # type: ignore[import-not-found]
import posix
import select
import time

from app.engines.local.supervisor.container import Container
from app.engines.local.supervisor.ending import BY_ORDER, is_disk_full, memory_cause, plain_cause
from app.engines.local.supervisor.files import (
    CHUNK,
    Record,
    Spec,
    make_folder,
    read_record,
    release_room,
    wake_server,
    write_file,
)
from app.engines.local.supervisor.log import Log
from app.engines.local.supervisor.process import (
    KILL,
    enter_cgroups,
    oom_kills,
    signal_tree,
    take_identity,
    use_descriptors,
)

DRAIN = 5.0  # seconds to wait for the output's end when every process of the job is gone
KILL_WAIT = 10.0  # seconds to wait for leftovers that KILL does not end (a dead disk holds them)
DISK_PAUSE = 0.2  # seconds between tries to write to a full disk
DISK_WAIT = 60.0  # seconds that a full disk is given before the job is stopped for it
SIGNALS = {"TERM": 15, "INT": 2, "USR1": 10}


class Attempt:
    def __init__(self, spec: Spec, env: dict[bytes, bytes], began: float) -> None:
        self.spec, self.env = spec, env
        self.log = Log(int(self.text("log_limit")))
        self.container = Container(spec, env) if "container" in spec else None
        limit = self.text("max_duration")
        self.ends_at = began + float(limit) if limit else None
        self.main = 0
        self.status: int | None = None  # of the stage's main process, as waitpid gives it
        self.childless = True
        self.order = ""
        self.at_once = False
        self.kill_at: float | None = None
        self.kills = 0
        self.until: float | None = None
        self.oom_seen = False
        self.machine_ooms = oom_kills("/proc/vmstat")
        self.listen()

    def text(self, key: str) -> str:
        return self.spec.get(key, [b""])[0].decode()

    def listen(self) -> None:
        self.poller = select.poll()
        self.pipe, self.pipe_in = posix.pipe2(posix.O_CLOEXEC)
        posix.set_blocking(self.pipe, False)
        self.ctl = posix.open("ctl", posix.O_RDWR | posix.O_NONBLOCK | posix.O_CLOEXEC)
        self.woken, wake = posix.pipe2(posix.O_CLOEXEC | posix.O_NONBLOCK)
        _signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        _signal.signal(_signal.SIGCHLD, lambda *_: None)
        self.piped = False
        self.hear_pipe(True)
        for fd in (self.ctl, self.woken):
            self.poller.register(fd, select.POLLIN)

    def hear_pipe(self, on: bool) -> None:
        if on == self.piped:
            return
        self.piped = on
        if on:
            self.poller.register(self.pipe, select.POLLIN)
        else:
            self.poller.unregister(self.pipe)

    def run(self) -> Record:
        self.take_order()
        if self.order:
            return {"cause": "stopped", "detail": "It was stopped before it began."}
        self.make_cgroups()
        stage = ""
        for stage in ("setup", "run"):
            if not self.spec.get(stage):
                continue
            if why := self.start(self.spec[stage]):
                return {"cause": "not_started", "detail": why}
            while self.status is None:
                self.step()
            if self.status or self.order:
                break
        posix.close(self.pipe_in)
        left = self.clear_leftovers()
        self.drain()
        outcome = self.judge(stage == "setup")
        return {**outcome, "detail": left} if left else outcome

    # --- processes

    def make_cgroups(self) -> None:
        for folder in self.spec.get("cgroup", ()):
            make_folder(folder)
        for setting in self.spec.get("limit", ()):
            path, _, value = setting.partition(b"=")
            try:
                write_file(path.lstrip(b"-"), value)
            except OSError:
                if not path.startswith(b"-"):  # a marked one is welcome where the kernel has it
                    raise
        if folder := self.spec.get("oom_event", [b""])[0]:
            self.listen_for_oom(folder)

    def listen_for_oom(self, folder: bytes) -> None:
        """Version 1 kills one process of the group; a job that lost one is ended whole, as version 2 does it."""
        event = posix.eventfd(0, posix.EFD_CLOEXEC | posix.EFD_NONBLOCK)
        control = posix.open(folder + b"/memory.oom_control", posix.O_RDONLY | posix.O_CLOEXEC)
        write_file(folder + b"/cgroup.event_control", b"%d %d" % (event, control))
        self.poller.register(event, select.POLLIN)

    def start(self, argv: list[bytes]) -> str:
        """Start a stage; the answer is a sentence where that failed."""
        if owner := self.text("owner"):
            posix.fchown(self.pipe_in, int(owner), int(owner))  # so that the job can open /dev/stdout again
        told, tell = posix.pipe2(posix.O_CLOEXEC)
        self.status, self.childless = None, False
        self.main = posix.fork()
        if not self.main:
            self.become(argv, tell)
        posix.close(tell)
        trouble = posix.read(told, 4096).decode("utf-8", "replace")
        posix.close(told)
        return trouble

    def become(self, argv: list[bytes], tell: int) -> None:
        step = "start a session"
        try:
            posix.setsid()
            step = "enter its control group"
            enter_cgroups(self.spec.get("join", []))
            step = "prepare its process"
            use_descriptors(self.pipe_in)
            posix.umask(0o022)
            step = "change to its user"
            if uid := self.text("uid"):
                take_identity(int(uid), [int(group) for group in self.spec.get("group", ())])
            step = "enter its working folder"
            posix.chdir(self.spec["work"][0])
            step = "execute " + argv[0].decode()
            posix.execve(argv[0], argv, self.env)
        except OSError as error:
            posix.write(tell, f"It could not {step}: {error.strerror}.".encode())
        finally:
            posix._exit(127)

    def reap(self) -> None:
        try:
            while True:
                pid, status = posix.waitpid(-1, posix.WNOHANG)
                if not pid:
                    return
                if pid == self.main:
                    self.status = status
        except ChildProcessError:
            self.childless = True

    def signal(self, number: int) -> None:
        if self.container and not (number == KILL and self.kills > 5):
            return self.container.signal(number)
        wrapper = self.text("wrapper")
        alone = self.main if self.status is None and not wrapper else 0  # not reaped, so surely still its group
        signal_tree(number, alone, wrapper)

    # --- events

    def step(self) -> None:
        for fd, _ in self.poller.poll(self.patience()):
            if fd == self.pipe:
                self.pump()
            elif fd == self.ctl:
                posix.read(fd, CHUNK)
                self.take_order()
            elif fd == self.woken:
                posix.read(fd, CHUNK)
                self.reap()
            else:
                posix.eventfd_read(fd)
                self.oom_seen = True
                self.signal(KILL)
        self.tick()

    def patience(self) -> float | None:
        """Milliseconds until something is due; None: only an event can matter."""
        now = time.monotonic()
        times = [at for at in (self.until, self.kill_at, None if self.order else self.ends_at) if at is not None]
        if self.log.full_since is not None:
            times.append(now + DISK_PAUSE)
        return max(0.0, (min(times) - now) * 1000 + 1) if times else None

    def tick(self) -> None:
        now = time.monotonic()
        if self.ends_at is not None and now >= self.ends_at and self.status is None and not self.order:
            self.stop("max_duration", self.text("signal"), float(self.text("grace")))
        if self.kill_at is not None and now >= self.kill_at:
            self.kills += 1
            self.kill_at = now + (1.0 if self.container else min(1.0, 0.05 * self.kills))
            self.signal(KILL)
        if self.log.full_since is not None:
            self.face_full_disk(now - self.log.full_since)
        if self.pipe >= 0:
            self.hear_pipe(self.log.full_since is None)

    def face_full_disk(self, since: float) -> None:
        """Hold the job back by its pipe until there is room; after a while stop it, for its output would be lost."""
        self.log.flush()
        if self.log.full_since is not None and since > DISK_WAIT:
            self.log.give_up()
            if self.status is None and not self.order:
                self.stop("disk_full", self.text("signal"), float(self.text("grace")))

    def pump(self) -> None:
        try:
            data = posix.read(self.pipe, CHUNK)
        except BlockingIOError:
            return None  # the job itself was quicker: /dev/stdout can be read too
        if data:
            return self.log.write(data)
        self.hear_pipe(False)
        posix.close(self.pipe)
        self.pipe = -1

    def take_order(self) -> None:
        try:
            order = read_record("stop")
        except FileNotFoundError:
            return
        at_once = order["at_once"] == "1"
        is_over = self.main and self.status is not None and not self.order
        if is_over or (self.order and not (at_once and not self.at_once)):
            return
        self.at_once = at_once
        self.stop(order["reason"], order["signal"], 0.0 if at_once else float(order["grace"]))

    def stop(self, reason: str, signal: str, grace: float) -> None:
        self.order = self.order or reason
        if self.container and not self.container.has_begun():
            grace = 0.0  # its image is still being fetched: there is nothing to save
        self.kill_at = time.monotonic() + grace
        if not self.main:
            return
        try:
            self.tell_job(reason, signal, grace)
            write_file("stopping", self.order.encode())
        except OSError:
            pass  # a full disk must not keep the signal from the job
        if grace > 0:
            self.signal(SIGNALS[signal])
        wake_server()

    def tell_job(self, reason: str, signal: str, grace: float) -> None:
        deadline = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + grace))
        text = f'{{"reason": "{reason}", "signal": "{signal}", "deadline": "{deadline}"}}\n'
        path = self.text("stop_file")
        write_file(path + ".new", text.encode())
        if owner := self.text("owner"):
            posix.chown(path + ".new", 0, int(owner))
        posix.chmod(path + ".new", 0o640)
        posix.rename(path + ".new", path)

    # --- the end

    def clear_leftovers(self) -> str:
        """When the main process has ended: what is left of the grace to the others, then KILL."""
        self.reap()
        if not self.order:
            self.kill_at = time.monotonic() + (5.0 if self.container else 0.0)
        deadline = (self.kill_at or time.monotonic()) + KILL_WAIT
        while not self.childless and time.monotonic() < deadline:
            self.step()
        self.kill_at = None
        return "" if self.childless else "Some of its processes could not be killed; the machine may need a restart."

    def drain(self) -> None:
        release_room()
        self.until = time.monotonic() + DRAIN
        while (self.pipe >= 0 or self.log.pending) and time.monotonic() < self.until:
            self.step()

    def judge(self, in_setup: bool) -> Record:
        assert self.status is not None
        cause, detail = self.cause(self.status, in_setup)
        code = posix.WEXITSTATUS(self.status) if posix.WIFEXITED(self.status) else None
        number = posix.WTERMSIG(self.status) if code is None else None
        return {"cause": cause, "exit_code": code, "signal": number, "detail": detail}

    def cause(self, status: int, in_setup: bool) -> tuple[str, str]:
        if self.order:
            return BY_ORDER.get(self.order, "stopped"), ""
        if status and (why := memory_cause(self.spec, status, self.machine_ooms, self.oom_seen)):
            return "out_of_memory", why
        if self.container and (told := self.container.cause(status, self.log.last)):
            return told
        if status and is_disk_full(self.log, self.spec["work"][0]):
            return "disk_full", "The disk was full when it failed."
        return plain_cause(status, in_setup)
