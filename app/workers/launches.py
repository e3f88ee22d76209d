"""Make what an engine needs to run an attempt: specification, secrets, shares. The result is never logged or stored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import orjson
from pydantic import ValidationError
from sqlalchemy import Row, select
from sqlmodel import Session

from app.engines.protocol import Launch, StopPolicy
from app.jobs.models import ATTEMPT, DOCUMENT, JOB, SECRET
from app.jobs.spec import from_spec
from app.keyring import Keyring, KeyringError, Sealed
from app.pools.models import POOL
from app.pools.shares import load_shares

_PREPARED = (
    select(
        ATTEMPT.c.id, ATTEMPT.c.job_id, ATTEMPT.c.number, ATTEMPT.c.shares, ATTEMPT.c.isolation, JOB.c.name,
        JOB.c.stop_signal, JOB.c.stop_grace, DOCUMENT.c.spec, POOL.c.log_limit,
    )
    .select_from(
        ATTEMPT.join(JOB, JOB.c.id == ATTEMPT.c.job_id)
        .join(DOCUMENT, DOCUMENT.c.job_id == ATTEMPT.c.job_id)
        .join(POOL, POOL.c.id == ATTEMPT.c.pool_id)
    )
)  # fmt: skip


def launches(db: Session, keyring: Keyring, attempt_ids: Sequence[str]) -> dict[str, Launch | str]:
    """Attempt id → its launch, or a sentence on why it can't be launched."""
    rows = list(db.execute(_PREPARED.where(ATTEMPT.c.id.in_(attempt_ids))))
    sealed = _sealed(db, [row.job_id for row in rows])
    return {row.id: _launch(row, keyring, sealed[row.job_id]) for row in rows}


def _sealed(db: Session, job_ids: Sequence[str]) -> dict[str, dict[str, Sealed]]:
    found: dict[str, dict[str, Sealed]] = defaultdict(dict)
    columns = (SECRET.c.job_id, SECRET.c.name, SECRET.c.ciphertext, SECRET.c.fingerprint)
    for row in db.execute(select(*columns).where(SECRET.c.job_id.in_(job_ids))):
        found[row.job_id][row.name] = Sealed(row.ciphertext, row.fingerprint)
    return found


def _launch(row: Row[Any], keyring: Keyring, sealed: dict[str, Sealed]) -> Launch | str:
    try:
        secrets = {name: keyring.decrypt(one) for name, one in sealed.items()}
    except KeyringError as error:
        return str(error)
    try:
        spec = from_spec(orjson.loads(row.spec), secrets)
    except ValidationError as wrong:
        return f"its stored specification is not understood: {wrong.errors()[0]['msg']}"
    return Launch(
        attempt_id=row.id, job_id=row.job_id, job_name=row.name, number=row.number, shares=load_shares(row.shares),
        run=spec.run, setup=spec.setup_script, envs={**spec.envs, **secrets}, image=spec.image,
        isolation=row.isolation, max_duration=spec.max_duration, log_limit=row.log_limit,
        stop=StopPolicy(signal=row.stop_signal, grace=row.stop_grace),
    )  # fmt: skip
