"""What the Actions of API keys are sent."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from app.accounts.bodies import Body
from app.accounts.keys.answers import KeyState
from app.durations import parse_duration
from app.web.bulk import Ids
from app.web.fields import NUMBER, FilterText, Moment, Name
from app.web.forms import ticked
from app.web.paging import ListQuery
from app.web.problems import Invalid

LONGEST_OVERLAP = 24 * 3600  # seconds
ScopeText = Annotated[str, StringConstraints(max_length=60)]


class ApiKeyCreate(Body):
    name: Name
    scopes: Annotated[list[ScopeText], Field(max_length=20, default_factory=list)]
    expires_at: Moment | None = None
    expires_in_days: Annotated[int | None, Field(ge=1, le=3650), NUMBER] = None

    @classmethod
    def from_form(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """Scopes are checkboxes; "never" means no expiry."""
        fields["scopes"] = ticked(fields, "scopes")
        if fields.get("expires_in_days") == "never":
            del fields["expires_in_days"]
        return fields

    @model_validator(mode="after")
    def _one_expiry(self) -> ApiKeyCreate:
        if self.expires_at is not None and self.expires_in_days is not None:
            raise ValueError("Give expires_at or expires_in_days, not both.")
        return self


class ApiKeyUpdate(Body):
    name: Name


def _overlap(value: object) -> int:
    return parse_duration(value, least=0, most=LONGEST_OVERLAP)


class ApiKeyRotate(Body):
    """`overlap`: how long the old text works beside the new one, such as `1h`; at most 24 hours."""

    overlap: Annotated[int, BeforeValidator(_overlap, json_schema_input_type=str | float)] = 0


class ApiKeysRevoke(Body):
    """Which keys to revoke; each takes with it the keys that it made."""

    ids: Ids

    @classmethod
    def from_form(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """The list's form, in which rows are ticked."""
        if "ids" not in fields:
            raise Invalid("Tick the keys to revoke first.")
        return fields


class ApiKeyQuery(ListQuery):
    owner: Annotated[
        FilterText | None,
        Field(description="`me` (the default), a user's id, or `all`. Admins alone see other people's."),
    ] = None
    state: KeyState | None = None
    q: Annotated[FilterText | None, Field(description="Looked for in names and the beginnings of keys.")] = None


def expiry(body: ApiKeyCreate, now: datetime) -> datetime | None:
    return now + timedelta(days=body.expires_in_days) if body.expires_in_days else body.expires_at
