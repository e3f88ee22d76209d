"""What is seen of a machine: its fullest disk, wherever its jobs write."""

from __future__ import annotations

from pathlib import Path

from app.engines.local.engine import LocalEngine
from app.jobs.models import JobState
from app.site import Site
from app.workers.build import node_name
from app.workers.machines import look_at
from tests.engines.runs import require_root
from tests.jobs.rows import Home, stop, submit
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
