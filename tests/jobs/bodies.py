"""Submitted bodies, and what is wrong with them, as a client would be told."""

from __future__ import annotations

from typing import Any

import pytest

from app.jobs.spec import JobSubmit
from app.web.bodies import validated
from app.web.problems import Invalid


def submit(**fields: Any) -> JobSubmit:
    body = validated(JobSubmit, {"run": "python train.py", **fields})
    assert isinstance(body, JobSubmit)
    return body


def mistakes(**fields: Any) -> dict[str, str]:
    """Dotted path → sentence."""
    with pytest.raises(Invalid) as refused:
        submit(**fields)
    return {error.field: error.message for error in refused.value.errors}
