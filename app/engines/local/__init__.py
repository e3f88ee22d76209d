"""The pool `local`: jobs on the machine that the server runs on."""

from app.engines.local.engine import LocalEngine

__all__ = ["LocalEngine"]
