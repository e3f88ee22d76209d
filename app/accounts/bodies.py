"""What the accounts' Actions are sent."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from app.accounts.providers.protocol import Reason
from app.web.fields import Name
from app.web.query import Query


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


class ProfileUpdate(Body):
    name: Name
