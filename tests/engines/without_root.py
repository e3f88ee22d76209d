"""A program for a user who is not root: the engine with what such a user has, and the standard library alone."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from app.engines.local import LocalEngine
from app.engines.protocol import Isolation, Launch, Observation, Phase, Share, StopOrder, StopReason

SAVES = "trap 'grep -o requested $LATTICE_STOP_FILE; exit 75' TERM; echo ready; while :; do sleep 0.05; done"


def main(home: Path) -> None:
    engine = LocalEngine(home, node_name="here")
    print(engine.nodes()[0].facts["cgroups"].split(":")[0])
    _, words = finish(engine, start(engine, "daemon", "setsid setsid sleep 300 & id -u; echo $!"))
    uid, child = words.split()
    print(uid, "daemon", "runs" if Path(f"/proc/{child}").exists() else "gone")
    _, words = finish(engine, start(engine, "user", "echo $HOME $USER"))
    print(words.strip())
    _, words = finish(engine, start(engine, "box", "id -u; ls /home /root", isolation=Isolation.BUBBLEWRAP))
    print(words.split()[0], "boxed" if words.count("No such file") == 2 else words)
    start_and_discard(engine, "closed", "mkdir -p a/b && chmod 0 a")
    saves = start(engine, "saves", SAVES)
    while b"ready" not in engine.read_log(saves, saves, 0, 100).data:
        engine.wait_for_change(0.05)
    engine.stop(saves, saves, StopOrder(reason=StopReason.REQUESTED))
    seen, words = finish(engine, saves)
    print(words.split()[-1], seen.exit_code)


def start_and_discard(engine: LocalEngine, name: str, run: str) -> None:
    """What a job has closed to itself, as module caches do, goes too."""
    attempt = start(engine, name, run)
    finish(engine, attempt)
    engine.discard(attempt, attempt)


def start(engine: LocalEngine, name: str, run: str, isolation: Isolation = Isolation.NONE) -> str:
    share = Share(node="here", cpu_tenths=10, memory_tenths=10)
    launch = Launch(
        attempt_id=f"att_{name}",
        job_id=f"job_{name}",
        job_name=name,
        number=1,
        shares=(share,),
        run=run,
        isolation=isolation,
    )
    return engine.submit(launch)


def finish(engine: LocalEngine, attempt: str) -> tuple[Observation, str]:
    deadline = time.monotonic() + 60
    while (seen := engine.observe({attempt: attempt})[attempt]).phase not in (Phase.ENDED, Phase.LOST):
        assert time.monotonic() < deadline, seen
        engine.wait_for_change(0.1)
    return seen, engine.read_log(attempt, attempt, 0, 10000).data.decode()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
