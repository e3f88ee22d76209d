"""Podman with a configuration and a store of the tests' own, and a base image made on the spot from Debian's packages.

Nothing outside the project's `.cache` and a temporary folder is written; the images there make the next run quick.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.peers import CACHE, ROOT, unavailable

CONFIGURATION = Path(__file__).with_name("containers.conf")
TOOLS = ("podman", "runc", "debootstrap")
PACKAGES = "ca-certificates,python3,python3-venv"
STALE = ("image", "prune", "--force", "--filter", "until=48h")  # layers of builds that nothing needs any more


@dataclass(frozen=True)
class Podman:
    """The command with its environment; `environment` is also what a script needs to reach the same images."""

    environment: dict[str, str] = field(repr=False)

    def __call__(self, *arguments: str, check: bool = True) -> str:
        """Run `podman ARGUMENTS`; its standard output, stripped. A failure shows standard error."""
        done = subprocess.run(["podman", *arguments], check=False, env=self.environment, capture_output=True, text=True)
        assert not check or done.returncode == 0, f"podman {' '.join(arguments)}: {done.stderr}"
        return done.stdout.strip()

    def has(self, image: str) -> bool:
        return subprocess.run(["podman", "image", "exists", image], check=False, env=self.environment).returncode == 0


@pytest.fixture(scope="session")
def podman() -> Iterator[Podman]:
    """A working Podman; it needs root here, as debootstrap does."""
    lacking = [tool for tool in TOOLS if shutil.which(tool) is None]
    if lacking or os.geteuid() != 0:
        unavailable(f"containers need root and {', '.join(TOOLS)}; missing: {', '.join(lacking) or 'root'}")
    CACHE.mkdir(exist_ok=True)
    run = Path(tempfile.mkdtemp(prefix="lattice-podman-"))
    storage = run / "storage.conf"
    storage.write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{CACHE / "containers"}"\nrunroot = "{run / "run"}"\n'
    )
    own = {"CONTAINERS_CONF": str(CONFIGURATION), "CONTAINERS_STORAGE_CONF": str(storage)}
    podman = Podman({**os.environ, **own, "CONTAINER_ENGINE": "podman"})
    yield podman
    podman("rm", "--all", "--force", "--time", "0")
    podman(*STALE)
    shutil.rmtree(run, ignore_errors=True)


@pytest.fixture(scope="session")
def python_image(podman: Podman) -> str:
    """The Dockerfile's base image, made of this machine's Debian: the name that its `ARG BASE` says."""
    name = dockerfile_base()
    if not podman.has(name):
        podman("import", "--quiet", str(debian_with_python()), f"localhost/{name}")
    return name


@pytest.fixture(scope="session")
def busybox_image(podman: Podman) -> str:
    """The smallest useful image: a shell and its tools, statically linked."""
    name = "localhost/lattice-busybox:test"
    busybox = shutil.which("busybox")
    if busybox is None:
        unavailable("busybox is not installed (busybox-static)")
    if not podman.has(name):
        with tempfile.TemporaryDirectory(prefix="lattice-busybox-") as root:
            folder = Path(root) / "root"
            folder.mkdir()
            _lay_out(folder, Path(busybox))
            packed = shutil.make_archive(f"{root}/image", "tar", folder)
            podman("import", "--quiet", packed, name)
    return name


def _lay_out(folder: Path, busybox: Path) -> None:
    for part in ("bin", "tmp", "proc", "sys", "dev", "etc"):
        (folder / part).mkdir()
    shutil.copy(busybox, folder / "bin/busybox")
    tools = subprocess.run([busybox, "--list"], check=True, capture_output=True, text=True).stdout.split()
    for tool in set(tools) - {"busybox"}:
        (folder / "bin" / tool).symlink_to("busybox")


def dockerfile_base() -> str:
    found = re.search(r"^ARG BASE=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert found, "the Dockerfile has no ARG BASE"
    return found[1]


def debian_with_python() -> Path:
    """A tar file of a minimal Debian with Python, of the release that this machine runs; made once."""
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    made = CACHE / f"debian-{release}.tar"
    if not made.exists():
        with tempfile.TemporaryDirectory(prefix="lattice-debian-") as root:
            bootstrap = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", release, root, mirror(release)]
            done = subprocess.run(bootstrap, check=False, capture_output=True, text=True)
            assert done.returncode == 0, f"debootstrap: {done.stdout[-2000:]}"
            partial = made.with_suffix(f".{os.getpid()}")
            leave = ("./proc", "./sys", "./dev", "./var/cache/apt", "./var/lib/apt/lists")
            pack = ["tar", "-C", root, *(f"--exclude={path}/*" for path in leave), "-cf", str(partial), "."]
            subprocess.run(pack, check=True)
            partial.rename(made)
    return made


def mirror(release: str) -> str:
    """Where this machine's apt gets the release from."""
    command = ["apt-get", "indextargets", "--format", "$(CODENAME) $(COMPONENT) $(REPO_URI)", "Created-By: Packages"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for line in listed.splitlines():
        codename, component, address = line.split(" ", 2)
        if (codename, component) == (release, "main"):
            return address
    unavailable(f"apt has no source for {release}")
