"""A million stored jobs, written by plain SQL over a migrated database: names, states, owners and times vary."""

from __future__ import annotations

import random
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

WORDS = ("train", "eval", "sweep", "tune", "export", "embed", "bert", "llama", "resnet", "diffusion", "ablation")
STATES = ("succeeded",) * 80 + ("failed",) * 12 + ("stopped",) * 5 + ("queued",) * 2 + ("running",)
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
BATCH = 20_000


def job_id(at: datetime, number: int) -> str:
    value = int(at.timestamp() * 1000) << 80 | number << 40
    return "job_" + "".join(ALPHABET[(value >> shift) & 31] for shift in range(125, -1, -5))


def stored(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S.%f")


def seed(file: Path, count: int) -> None:
    """Add `count` jobs of the first organization, spread over a year up to yesterday."""
    database = sqlite3.connect(file, isolation_level=None)
    database.execute("PRAGMA synchronous=OFF")
    database.execute("PRAGMA cache_size=-400000")
    (organization,) = database.execute("SELECT id FROM organization").fetchone()
    (owner,) = database.execute("SELECT id FROM user_account").fetchone()
    (pool,) = database.execute("SELECT id FROM node_pool").fetchone()
    columns = _columns(database)
    jobs = f"INSERT INTO job ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    documents = "INSERT INTO job_document (job_id, organization_id, spec, text) VALUES (?, ?, ?, ?)"
    chance = random.Random(1)
    first = datetime.now(UTC) - timedelta(days=366)
    for start in range(0, count, BATCH):
        rows, texts = [], []
        for number in range(start, min(start + BATCH, count)):
            row = _job(number, first + timedelta(seconds=31 * number), chance, organization, owner, pool)
            rows.append([row.get(name, columns[name]) for name in columns])
            texts.append((row["id"], organization, "{}", f"{row['name']}\npython {row['name']}.py --seed {number}"))
        database.execute("BEGIN")
        database.executemany(jobs, rows)
        database.executemany(documents, texts)
        database.execute("COMMIT")
    _count_totals(database)
    database.execute("ANALYZE")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()


def _columns(database: sqlite3.Connection) -> dict[str, object]:
    """Every column of `job`, with what an unremarkable row has in it."""
    found: dict[str, object] = {}
    for _, name, kind, not_null, default, _ in database.execute("PRAGMA table_info(job)"):
        empty: object = 0 if "INT" in kind or "BOOL" in kind or "FLOAT" in kind else "{}"
        found[name] = default if default is not None else (empty if not_null else None)
    return found


def _job(
    number: int, at: datetime, chance: random.Random, organization: str, owner: str, pool: str
) -> dict[str, object]:
    state = chance.choice(STATES)
    done = state in {"succeeded", "failed", "stopped"}
    return {
        "id": job_id(at, number),
        "organization_id": organization,
        "owner_id": owner,
        "pool_id": pool,
        "name": f"{chance.choice(WORDS)}-{chance.choice(WORDS)}-{number}",
        "state": state,
        "visibility": "organization",
        "created_at": stored(at),
        "started_at": None if state == "queued" else stored(at),
        "finished_at": stored(at + timedelta(minutes=5)) if done else None,
        "exit_code": {"succeeded": 0, "failed": 1}.get(state),
        "num_nodes": 1,
        "cpu_tenths": 10,
        "memory_tenths": 10,
        "attempt_number": None if state == "queued" else 1,
        "reason_code": None,
        "reason_args": "{}",
    }


def _count_totals(database: sqlite3.Connection) -> None:
    database.execute("BEGIN")
    database.execute("DELETE FROM job_total")
    database.execute(
        "INSERT INTO job_total (organization_id, pool_id, state, count) "
        "SELECT organization_id, pool_id, state, count(*) FROM job GROUP BY 1, 2, 3"
    )
    database.execute("COMMIT")
