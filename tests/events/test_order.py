"""A reader that goes on after the highest `seq` it has seen misses no event, however many write at once."""

from __future__ import annotations

import threading

import pytest
from sqlmodel import col, select

from app import events
from app.accounts.queries import first_organization
from app.events.models import Event
from app.site import Site
from app.web.ask import Actor

WRITERS = 8
EACH = 40


@pytest.mark.database
def test_a_reader_of_what_follows_misses_none(site: Site) -> None:
    with site.db.read() as db:
        home = first_organization(db)
        assert home is not None
    done = threading.Event()
    seen: list[int] = []

    def write(writer: int) -> None:
        for number in range(EACH):
            with site.db.write() as db:
                events.record(db, Actor.system(home.id), "thing.made", subject_id=f"w{writer}-{number}")

    def read_on(after: int) -> int:
        with site.db.read() as db:
            new = db.exec(select(Event.seq).where(col(Event.seq) > after).order_by(col(Event.seq))).all()
        seen.extend(s or 0 for s in new)
        return seen[-1] if seen else after

    def read() -> None:
        after = 0
        while not done.is_set():
            after = read_on(after)
        read_on(after)

    reader = threading.Thread(target=read)
    reader.start()
    writers = [threading.Thread(target=write, args=(n,)) for n in range(WRITERS)]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    with site.db.read() as db:
        written = db.exec(select(Event.seq).order_by(col(Event.seq))).all()
    assert len(written) >= WRITERS * EACH
    assert seen == list(written)


@pytest.mark.database
def test_a_change_that_fails_leaves_no_event(site: Site) -> None:
    with site.db.read() as db:
        before = len(db.exec(select(Event.seq)).all())

    def failing_change() -> None:
        with site.db.write() as db:
            events.record(db, Actor.system("org_x"), "thing.made", subject_id="x")
            raise RuntimeError("before the commit")

    with pytest.raises(RuntimeError):
        failing_change()
    with site.db.read() as db:
        assert len(db.exec(select(Event.seq)).all()) == before
