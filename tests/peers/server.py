"""The real server as a process of its own, as `start.sh` runs it: on a free port, over a data folder that outlives it.

It sees none of this process's settings and no `.env`. When a fixture ends, what its jobs left running is ended too.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from app.settings import Settings
from tests.documented import hold
from tests.peers import ROOT, free_port, wait_until

LATTICE = (sys.executable, "-P", "-m", "app.cli.main")
SIGN_IN_LINK = re.compile(r"https?://\S+/sign-in\?token=\S+")
OURS = frozenset(name.upper() for name in Settings.model_fields)


@dataclass
class Server:
    """One server; `stop` or `kill` it and `start` it again on what it kept."""

    home: Path  # holds the data folder `data` and the process's output
    settings: dict[str, str] = field(default_factory=dict)  # by the names in the environment
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[str] | None = None
    clients: list[httpx2.Client] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def output(self) -> str:
        """What it has written to standard output since the first start."""
        return (self.home / "stdout").read_text()

    @property
    def errors(self) -> str:
        """What it has written to standard error, its log included, since the first start."""
        return (self.home / "stderr").read_text()

    def launch(self, *options: str) -> None:
        """Start the process without waiting for it; `start` is what most tests want."""
        self.launch_as([*LATTICE, "server", "serve", "--migrate", *options])

    def launch_as(self, command: Sequence[str | Path]) -> None:
        """Start it by another command, such as `start.sh`."""
        assert self.process is None, "it runs already"
        with (self.home / "stdout").open("a") as out, (self.home / "stderr").open("a") as err:
            self.process = subprocess.Popen(
                command,
                cwd=self.home,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                text=True,
            )

    def start(self, *options: str, seconds: float = 60) -> float:
        """Start it and wait until it is ready; the seconds that it took."""
        began = time.monotonic()
        self.launch(*options)
        wait_until(self.is_ready, what=f"{self.url}/readyz", seconds=seconds)
        return time.monotonic() - began

    def is_ready(self) -> bool:
        """Whether it answers 200 to /readyz; fails when the process has ended."""
        assert self.process is not None, "it was not started"
        assert self.process.poll() is None, f"the server ended with {self.process.returncode}: {self.errors}"
        try:
            return httpx2.get(f"{self.url}/readyz", trust_env=False, timeout=5).status_code == 200
        except httpx2.TransportError:
            return False

    def stop(self, how: signal.Signals = signal.SIGTERM, *, seconds: float = 20) -> int:
        """Ask it to end, and wait; its exit status (negative: a signal's number). 0 when it was not running."""
        if self.process is None:
            return 0
        self.process.send_signal(how)
        status = self.process.wait(timeout=seconds)
        self.process = None
        return status

    def kill(self) -> None:
        """`kill -9`: what it was doing is left as it is."""
        self.stop(signal.SIGKILL)

    def lattice(self, *arguments: str, status: int = 0, input: str | None = None) -> str:
        """Run the command `lattice` beside the server, with its settings; what it printed to standard output."""
        done = subprocess.run(
            [*LATTICE, *arguments],
            check=False,
            cwd=self.home,
            env=self.environment(),
            input=input,
            capture_output=True,
            text=True,
        )
        assert done.returncode == status, f"lattice {' '.join(arguments)}: {done.returncode}: {done.stderr}"
        return done.stdout

    def sign_in_link(self) -> str:
        """The last one-time link that it printed."""
        links: list[str] = wait_until(lambda: SIGN_IN_LINK.findall(self.output), what="a sign-in link in the output")
        return links[-1]

    def client(self, **headers: str) -> httpx2.Client:
        """A client of nobody; it does not follow redirects."""
        made = httpx2.Client(
            base_url=self.url, headers=headers, trust_env=False, timeout=30, event_hooks={"response": [hold]}
        )
        self.clients.append(made)
        return made

    def signed_in(self, name: str = "Ada") -> httpx2.Client:
        """A browser's client in which the first admin is signed in, by a new one-time link and the form behind it."""
        link = SIGN_IN_LINK.search(self.lattice("admin", "sign-in-link"))
        assert link, "lattice admin sign-in-link printed no link"
        client = self.client(**{"Sec-Fetch-Site": "same-origin"})
        answer = client.post("/sign-in", data={"token": link[0].partition("token=")[2], "name": name})
        assert answer.status_code == 303, answer.text
        return client

    def with_key(self, *scopes: str) -> httpx2.Client:
        """A program's client with an API key of the first admin that has these scopes."""
        printed = self.lattice("admin", "api-key", "create", "--name", "test", "--scopes", ",".join(scopes))
        key = re.search(r"lk_[\w-]{32}", printed)
        assert key, f"no key in {printed!r}"
        return self.client(Authorization=f"Bearer {key[0]}")

    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name not in OURS}
        own = {"PORT": str(self.port), "LATTICE_DATA_DIR": str(self.data), "PYTHONPATH": str(ROOT)}
        return {**inherited, **own, **self.settings}

    def close(self) -> None:
        """End it and everything that its jobs left running."""
        for client in self.clients:
            client.close()
        self.kill()
        for left in running_under(self.home):
            os.kill(left, signal.SIGKILL)


def running_under(folder: Path) -> list[int]:
    """The ids of the processes whose working folder lies in `folder`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                where = (entry / "cwd").readlink()
            except OSError:  # it has ended, or is not ours to look at
                continue
            if where.is_relative_to(folder):
                found.append(int(entry.name))
    return found


ServerMaker = Callable[..., Server]


def maker(folders: Callable[[str], Path]) -> Iterator[ServerMaker]:
    made: list[Server] = []

    def make(**settings: str) -> Server:
        """A server that is not started yet, on a fresh data folder; settings by their names in the environment."""
        server = Server(folders("server"), settings)
        made.append(server)
        return server

    yield make
    for server in made:
        server.close()


@pytest.fixture
def new_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerMaker]:
    """Makes servers that the test starts itself: `new_server(LATTICE_FAKE_GPUS="H100:8")`."""
    yield from maker(tmp_path_factory.mktemp)


@pytest.fixture
def server(new_server: ServerMaker) -> Server:
    """A running server of the test's own."""
    made = new_server()
    made.start()
    return made


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server with eight pretended GPUs that the tests of a module share."""
    makers = maker(tmp_path_factory.mktemp)
    made = next(makers)(LATTICE_FAKE_GPUS="H100:8")
    made.start()
    yield made
    next(makers, None)
