from tests.jobs.conftest import db, home

__all__ = ["db", "home"]
