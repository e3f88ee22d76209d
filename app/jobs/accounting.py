"""What an attempt takes, and what that costs. Money is whole micro-credits: a million are one credit, a US dollar."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.engines.protocol import Offer, Share
from app.jobs.needs import Alternative
from app.jobs.resources import same_model


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Tenths of a CPU, tenths of a GiB, and whole GPUs, over all nodes."""

    cpu_tenths: int = 0
    memory_tenths: int = 0
    gpus: int = 0


def taken(shares: Iterable[Share]) -> Taken:
    """What the shares take together."""
    shares = tuple(shares)
    return Taken(
        cpu_tenths=sum(share.cpu_tenths for share in shares),
        memory_tenths=sum(share.memory_tenths for share in shares),
        gpus=sum(len(share.gpu_indices) for share in shares),
    )


def hourly_price(needs: Alternative, num_nodes: int, offers: Sequence[Offer]) -> int | None:
    """Micro-credits an hour on the cheapest offers that are large enough; None where none is. On owned machines, 0."""
    fitting = [offer.price_per_hour for offer in offers if not offer.spot and _holds(offer, needs)]
    return min(fitting) * num_nodes if fitting else None


def _holds(offer: Offer, needs: Alternative) -> bool:
    enough = offer.cpu_tenths >= needs.cpu_tenths and offer.memory_tenths >= needs.memory_tenths
    return enough and (
        not needs.gpu_model or (same_model(offer.gpu_model or "", needs.gpu_model) and offer.gpus >= needs.gpus)
    )


def credits_text(micro_credits: int) -> str:
    """As a decimal string without needless zeros: 1_500_000 is "1.5"."""
    sign, whole, rest = "-" * (micro_credits < 0), *divmod(abs(micro_credits), 1_000_000)
    return f"{sign}{whole}.{rest:06}".rstrip("0").rstrip(".")
