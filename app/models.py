"""Every table of the schema, imported in one place: migrations and tests read the metadata from here."""

from app.accounts import models as accounts
from app.events import models as events
from app.jobs import models as jobs
from app.pools import models as pools
from app.web import idempotency
from app.workers import models as workers

__all__ = ["accounts", "events", "idempotency", "jobs", "pools", "workers"]
