"""What is asked for after the `?` of an address."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Query(BaseModel):
    """The query of an operation. The API refuses a field that it does not know: a misspelt filter filters nothing."""

    model_config = ConfigDict(extra="forbid")
