"""Many things at once: `POST /things/verb {"ids": […]}` answers how many were changed, were so before, were refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from app.web.fields import Id

BULK_MOST = 1_000
Ids = Annotated[list[Id], Field(min_length=1, max_length=BULK_MOST)]


@dataclass(frozen=True, slots=True)
class Refused:
    id: str
    detail: str
