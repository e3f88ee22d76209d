"""From the claim to the record of the end. It must run nothing unless it made the claim."""

import _signal  # type: ignore[import-not-found]
import posix
import sys
import time

from app.engines.local.supervisor.attempt import Attempt
from app.engines.local.supervisor.ending import tidy
from app.engines.local.supervisor.files import (
    NO_CLAIM,
    Record,
    read_environment,
    read_items,
    release_room,
    take_claim,
    wake_server,
    write_end,
)
from app.engines.local.supervisor.process import KILL, SUBREAPER, prctl, stat_of


def supervise() -> Record:
    began = time.monotonic()
    try:
        spec = read_items("spec")
        attempt = Attempt(spec, read_environment("env"), began)
        posix.unlink("env")
    except (OSError, KeyError, ValueError) as error:
        return {"cause": "not_started", "detail": f"Its folder is damaged: {error!r}."}
    wake_server()
    outcome = run_to_the_end(attempt)
    if attempt.container:
        attempt.container.remove()
    release_room()
    tidy(spec)
    return {**outcome, "log_size": attempt.log.offset}


def run_to_the_end(attempt: Attempt) -> Record:
    try:
        return attempt.run()
    except OSError as error:
        attempt.signal(KILL)
        cause = "machine_lost" if attempt.main else "not_started"
        return {"cause": cause, "detail": f"Its supervisor failed: {error}."}


def claims() -> bool:
    """Whether the claim is this supervisor's. Where it can't be made, the exit status tells the engine why."""
    me = stat_of(posix.getpid())
    try:
        return me is not None and take_claim(me[2])
    except OSError as error:
        raise SystemExit(NO_CLAIM + (error.errno or 0)) from None


def supervisor_main(folder: str) -> None:
    posix.chdir(folder)
    posix.umask(0o077)
    posix.closerange(3, 1 << 20)
    for number in (1, 2, 15):  # a job is stopped by an order; the machine's own end is told by its boot id
        _signal.signal(number, _signal.SIG_IGN)
    prctl(SUBREAPER)
    if claims():
        write_end({**supervise(), "finished": time.time()})
        wake_server()


if __name__ == "__main__":
    supervisor_main(sys.argv[1])
