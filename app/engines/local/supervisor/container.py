"""An attempt inside a container: its processes belong to Podman or Docker, so signals go through that tool."""

import posix
import time

from app.engines.local.supervisor.files import Spec
from app.engines.local.supervisor.process import KILL, start_process

NAMES = {15: b"TERM", 2: b"INT", 10: b"USR1", KILL: b"KILL"}
TOOL_FAILED = 125  # the exit code of `run` where the tool itself failed


class Container:
    def __init__(self, spec: Spec, env: dict[bytes, bytes]) -> None:
        self.tool, self.name, self.env = spec["tool"], spec["container"][0], env
        self.marks = spec["marks"][0]  # a folder in which the script inside says how far it came

    def has_begun(self) -> bool:
        return is_there(self.marks + b"/began")

    def signal(self, number: int) -> None:
        """To every process inside; `kill -1` there leaves out the first one, which the tool reaches."""
        name = NAMES[number]
        if number != KILL:
            self.call(b"exec", self.name, b"sh", b"-c", b"kill -s %s -1" % name)
        self.call(b"kill", b"--signal", name, self.name)

    def call(self, *words: bytes) -> int:
        return start_process([*self.tool, *words], self.env, -1)

    def ask(self, *words: bytes) -> bytes:
        out, into = posix.pipe2(posix.O_CLOEXEC)
        pid = start_process([*self.tool, *words], self.env, into)
        posix.close(into)
        answer = b""
        while chunk := posix.read(out, 4096):
            answer += chunk
        posix.close(out)
        posix.waitpid(pid, 0)
        return answer.strip()

    def cause(self, status: int, last: bytes) -> tuple[str, str] | None:
        """What only the tool and the marks know; None where the exit status says it all."""
        if not status:
            return None
        if self.ask(b"inspect", b"--format", b"{{.State.OOMKilled}}", self.name) == b"true":
            return "out_of_memory", "It used more memory than it holds."
        if posix.WIFEXITED(status) and posix.WEXITSTATUS(status) == TOOL_FAILED and not self.has_begun():
            return "not_started", last_line(last)
        if is_there(self.marks + b"/setup-failed"):
            return "setup_failed", ""
        return None

    def remove(self) -> None:
        for pause in (0, 0.2, 1):
            time.sleep(pause)
            pid = self.call(b"rm", b"--force", self.name)
            if posix.waitpid(pid, 0)[1] == 0:
                return


def is_there(path: bytes) -> bool:
    try:
        posix.stat(path)
    except OSError:
        return False
    return True


def last_line(output: bytes) -> str:
    lines = output.decode("utf-8", "replace").split("\n")
    return next((line.strip()[:500] for line in reversed(lines) if line.strip()), "The container could not be started.")
