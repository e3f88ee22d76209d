"""The event table: audit, activity, live pages."""

from app.events.record import record

__all__ = ["record"]
