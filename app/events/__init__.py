"""The event table: audit, activity, live pages."""

from app.events.record import changes, record

__all__ = ["changes", "record"]
