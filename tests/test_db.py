"""Transactions as handlers and workers have them."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import UnboundExecutionError

from app.site import Site


@pytest.mark.database
def test_a_transaction_is_of_no_use_after_its_block(site: Site) -> None:
    """The connection is the next writer's by then."""
    with site.db.write() as db:
        db.connection().execute(text("SELECT 1"))
    with pytest.raises(RuntimeError, match="after its block"):
        db.connection()
    with pytest.raises(UnboundExecutionError):
        db.execute(text("SELECT 1"))
