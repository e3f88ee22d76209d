"""What is seen of a machine: its fullest disk, wherever its jobs write."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

from sqlmodel import select

from app.db import utcnow
from app.engines.local.engine import LocalEngine
from app.engines.protocol import Phase
from app.jobs.models import JobState
from app.pools.models import NodePool
from app.pools.queries import nodes_of
from app.pools.service import see_machines
from app.site import Site
from app.workers.build import node_name
from app.workers.machines import look_at, strangers
from tests.engines.runs import Runs, require_root
from tests.jobs.rows import Home, stop, submit
from tests.peers import wait_until
from tests.peers.server import running_under
from tests.workers.hands import Hands


def test_the_fullest_disk_counts_that_jobs_write_to(site: Site, tmp_path: Path) -> None:
    """Jobs with a user of their own can't pass through a closed data folder, so they write elsewhere."""
    require_root()
    (tmp_path / "closed").mkdir(mode=0o700)
    engine = LocalEngine(tmp_path / "closed" / "local", node_name="here", outside=tmp_path / "outside")
    disks = (site.datadir.path, *engine.work_roots())
    assert disks[-1].is_relative_to(tmp_path / "outside")
    for fullest in disks:
        free = dict.fromkeys(disks, 0.5) | {fullest: 0.03}
        seen = look_at(engine, site, {}, free.__getitem__)
        assert seen.disk_free_percent == 3
    engine.close()


def test_a_machine_that_is_renamed_gives_nothing_out_twice(site: Site, home: Home, hands: Hands) -> None:
    """What a running job holds is noted under the node's name."""
    (name,) = [report.name for report in hands.engine.nodes()]
    job_id = submit(site, home, "sleep 600")
    hands.until_state(job_id, JobState.RUNNING)
    assert node_name(site, "renamed") == name
    stop(site, home, job_id)
    hands.until_ended(job_id)
    assert node_name(site, "renamed") == "renamed"


def test_what_the_database_does_not_know_is_told_and_can_be_ended(site: Site, home: Home, tmp_path: Path) -> None:
    """As after the restore of an older backup."""
    known = Runs(tmp_path / "engine")
    attempt = known.start("sleep 601 & sleep 602")
    known.until(attempt, lambda seen: seen.phase is Phase.RUNNING)
    found = strangers(known.engine, site)
    assert list(found) == [attempt]
    with site.db.write() as db:
        pool = db.exec(select(NodePool)).one()
        see_machines(db, pool, replace(look_at(known.engine, site, {}), strangers=found), utcnow())
        (node,) = nodes_of(db, pool)
    assert attempt in node.facts and f"process {found[attempt]}" in node.facts
    os.kill(found[attempt], signal.SIGKILL)
    wait_until(lambda: not known.engine.at_work(), what="it has ended")
    wait_until(lambda: not running_under(known.home), what="nothing of it is left")
    known.engine.close()
