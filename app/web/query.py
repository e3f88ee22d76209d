"""What is asked for after the `?` of an address, and in the header fields of a request."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Query(BaseModel):
    """The query of an operation. The API refuses a field that it does not know: a misspelt filter filters nothing."""

    model_config = ConfigDict(extra="forbid")


class HeaderFields(BaseModel):
    """The header fields that an operation reads: `last_event_id` is `Last-Event-ID`. Others are let be."""

    model_config = ConfigDict(alias_generator=lambda name: name.replace("_", "-"), extra="ignore")
