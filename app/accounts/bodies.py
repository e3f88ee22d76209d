"""What the accounts' Actions are sent."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from app.accounts.providers.protocol import Reason
from app.durations import parse_duration
from app.web.fields import NUMBER, FilterText, Moment, Name
from app.web.forms import ticked
from app.web.paging import ListQuery
from app.web.query import Query

LONGEST_OVERLAP = 24 * 3600  # seconds
ScopeText = Annotated[str, StringConstraints(max_length=60)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SignIn(Body):
    token: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    name: Name | None = None
    next: Annotated[str, StringConstraints(max_length=2000)] | None = None


class SignInQuery(Query):
    token: Annotated[str, StringConstraints(max_length=100)] = ""
    next: Annotated[str, StringConstraints(max_length=2000)] = "/"
    problem: Reason | None = None


class ApiKeyCreate(Body):
    name: Name
    scopes: Annotated[list[ScopeText], Field(max_length=20)] = []
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


class ApiKeyQuery(ListQuery):
    owner: Annotated[
        FilterText | None,
        Field(description="`me` (the default), a user's id, or `all`. Admins alone see other people's."),
    ] = None


class ProfileUpdate(Body):
    name: Name


def expiry(body: ApiKeyCreate, now: datetime) -> datetime | None:
    return now + timedelta(days=body.expires_in_days) if body.expires_in_days else body.expires_at
