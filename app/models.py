"""Every table of the schema, imported in one place: migrations and tests read the metadata from here."""

from app import deployment
from app.accounts import models as accounts
from app.accounts.devices import models as devices
from app.accounts.invitations import models as invitations
from app.accounts.providers import models as providers
from app.accounts.teams import models as teams
from app.events import models as events
from app.jobs import models as jobs
from app.pools import models as pools
from app.web import idempotency, rates
from app.workers import models as workers

__all__ = [
    "accounts",
    "deployment",
    "devices",
    "events",
    "idempotency",
    "invitations",
    "jobs",
    "pools",
    "providers",
    "rates",
    "teams",
    "workers",
]
