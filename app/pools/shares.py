"""Shares and GPUs as rows keep them: JSON texts, written and read here alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

import orjson

from app.engines.protocol import Gpu, Share


def dump_shares(shares: Iterable[Share]) -> str:
    return orjson.dumps([asdict(share) for share in shares]).decode()


def load_shares(stored: str) -> tuple[Share, ...]:
    return tuple(Share(**{**share, "gpu_indices": tuple(share["gpu_indices"])}) for share in orjson.loads(stored))


def dump_gpus(gpus: Iterable[Gpu]) -> str:
    return orjson.dumps([asdict(gpu) for gpu in gpus]).decode()


def load_gpus(stored: str) -> tuple[Gpu, ...]:
    return tuple(Gpu(**gpu) for gpu in orjson.loads(stored))
