"""What the device sign-in's Actions are sent. OAuth's own two ignore what they do not know (RFC 6749, section 3.2)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from app.accounts.bodies import Body
from app.accounts.devices.service import DEFAULT_DAYS
from app.accounts.keys.bodies import ScopeText
from app.web.fields import NUMBER, one_line, storable
from app.web.forms import ticked
from app.web.query import Query

MOST_DAYS = 365
Line = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=60), AfterValidator(storable), AfterValidator(one_line)
]
Days = Annotated[int, Field(ge=1, le=MOST_DAYS), NUMBER]
Typed = Annotated[str, StringConstraints(strip_whitespace=True, max_length=40), AfterValidator(storable)]


class DeviceRequest(BaseModel):
    """`scope`: scopes with spaces between; empty: the key only reads. `host`: what the machine is called."""

    model_config = ConfigDict(extra="ignore")

    client_id: Line = ""
    scope: Annotated[str, StringConstraints(max_length=300)] | None = None
    host: Line = ""
    days: Days = DEFAULT_DAYS


class TokenRequest(BaseModel):
    model_config = ConfigDict(extra="ignore")

    grant_type: Annotated[str, StringConstraints(max_length=100)] = ""
    device_code: Annotated[str, StringConstraints(max_length=200)] = ""
    client_id: Line = ""


class DeviceQuery(Query):
    user_code: Typed = ""


class DeviceDecision(Body):
    user_code: Typed
    decision: Literal["approve", "deny"]
    scopes: Annotated[list[ScopeText], Field(max_length=20, default_factory=list)]
    days: Days = DEFAULT_DAYS

    @classmethod
    def from_form(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """Scopes are checkboxes."""
        return {**fields, "scopes": ticked(fields, "scopes")}
