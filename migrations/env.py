"""Alembic's environment: the metadata of every noun's models, and the connection that `app.migrate` hands over."""

from __future__ import annotations

from typing import Any

from alembic import context
from sqlalchemy import Connection, create_engine
from sqlmodel import SQLModel

from app import models  # noqa: F401  registers every table
from app.db import EnumText, UtcDateTime
from app.settings import load_settings


def render_item(kind: str, item: Any, autogen_context: Any) -> str | bool:
    """Migrations name plain SQLAlchemy types, so that they stay true when ours change."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, EnumText):
        return f"sa.String(length={item.impl_instance.length})"
    return False


def include_object(item: Any, name: str | None, kind: str, reflected: bool, compare_to: Any) -> bool:
    """The text index is made by statements of its own, which autogenerate does not know."""
    return not (name or "").startswith("job_search") and not (name or "").endswith("_trgm")


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        render_as_batch=True,
        render_item=render_item,
        include_object=include_object,
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with create_engine(load_settings().database).connect() as own:
        run(own)
        own.commit()
