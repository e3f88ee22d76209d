"""The container image, built from the Dockerfile by `docker-run.sh` and run by it, with Podman and runc."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest

from tests.peers import ROOT, free_port, wait_until
from tests.peers.podman import Podman

pytestmark = [pytest.mark.podman, pytest.mark.xdist_group("podman")]

NAME = "lattice-test"


@dataclass
class Container:
    """The running container, and what `docker-run.sh run` said when it had started it."""

    podman: Podman
    environment: dict[str, str] = field(repr=False)
    port: int
    said: str

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def inspect(self, what: str) -> Any:
        return json.loads(self.podman("inspect", NAME, "--format", f"{{{{json {what}}}}}"))

    def inside(self, *command: str, check: bool = True) -> str:
        return self.podman("exec", NAME, *command, check=check)

    def script(self, command: str) -> None:
        docker_run(self.environment, command)


def docker_run(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [ROOT / "docker-run.sh", *arguments], check=False, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, f"docker-run.sh {' '.join(arguments)}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def container(podman: Podman, python_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    settings = tmp_path_factory.mktemp("image") / "env"
    settings.write_text((ROOT / ".env.example").read_text() + "LATTICE_LOG_LEVEL=info\n")
    port = free_port()
    names = dict.fromkeys(("LATTICE_IMAGE", "LATTICE_CONTAINER", "LATTICE_VOLUME"), NAME)
    environment = {**podman.environment, **names, "PORT": str(port), "ENV_FILE": str(settings)}
    podman("volume", "rm", "--force", NAME)
    yield Container(podman, environment, port, docker_run(environment, "build-and-run"))
    podman("rm", "--force", "--time", "0", NAME)
    podman("volume", "rm", "--force", NAME)


def test_it_says_where_to_go_and_answers_there(container: Container) -> None:
    assert re.search(rf"http://localhost:{container.port}/sign-in\?token=\S+", container.said)
    assert httpx2.get(f"{container.url}/healthz", trust_env=False).status_code == 200


def test_its_health_check_passes(container: Container) -> None:
    assert container.inspect(".Config.Healthcheck.Test")[0] == "CMD"
    container.podman("healthcheck", "run", NAME)
    assert container.inspect(".State.Healthcheck.Status") == "healthy"


def test_it_is_not_root_and_has_no_way_to_become_it(container: Container) -> None:
    assert container.inside("id", "-u") == "10001"
    status = container.inside("cat", "/proc/1/status")
    assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)


def test_it_writes_to_its_volume_and_nowhere_else(container: Container) -> None:
    assert container.inspect(".HostConfig.ReadonlyRootfs") is True
    refused = (
        "for at in / /opt/lattice /home /var; do touch $at/x 2>/dev/null && echo $at; done; touch /data/x && echo kept"
    )
    assert container.inside("sh", "-c", refused) == "kept"
    assert "lattice.db" in container.inside("ls", "/data").splitlines()


def test_the_local_pool_starts_drained_and_says_why(container: Container) -> None:
    made = container.inside("lattice", "admin", "api-key", "create", "--name", "test", "--scopes", "compute:write")
    key = re.search(r"lk_[\w-]{32}", made)
    assert key
    headers = {"Authorization": f"Bearer {key[0]}"}

    def local() -> Any:
        pools = httpx2.get(f"{container.url}/api/v1/node-pools", headers=headers, trust_env=False).json()["items"]
        return next((pool for pool in pools if pool["name"] == "local"), None)

    pool = wait_until(local, what="the pool `local`")
    assert pool["state"] == "drained"
    assert "container" in pool["reason"]
    assert "LATTICE_LOCAL_POOL=on" in pool["reason"]


def test_a_stop_is_graceful_and_what_it_kept_is_there_again(container: Container) -> None:
    began = time.monotonic()
    container.script("stop")
    assert time.monotonic() - began < 15  # after 20 s it would have been killed
    assert container.inspect(".State.ExitCode") == 0
    container.script("run")
    assert httpx2.get(f"{container.url}/readyz", trust_env=False).status_code == 200
    assert "x" in container.inside("ls", "/data").splitlines()
