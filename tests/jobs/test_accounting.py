from __future__ import annotations

from app.engines.protocol import Offer, Share
from app.jobs.accounting import Taken, credits_text, hourly_price, taken
from app.jobs.needs import Alternative

CREDIT = 1_000_000


def offer(price: int, gpus: int = 8, model: str | None = "H100", spot: bool = False) -> Offer:
    return Offer(
        name="x", cpu_tenths=640, memory_tenths=5120, gpu_model=model, gpus=gpus, price_per_hour=price, spot=spot
    )


def test_shares_add_up() -> None:
    shares = [
        Share(node="a", cpu_tenths=5, memory_tenths=10, gpu_indices=(0, 3)),
        Share(node="b", cpu_tenths=5, memory_tenths=7),
    ]
    assert taken(shares) == Taken(cpu_tenths=10, memory_tenths=17, gpus=2)


def test_the_cheapest_offer_that_is_large_enough() -> None:
    needs = Alternative(cpu_tenths=40, memory_tenths=160, gpus=4, gpu_model="h100")
    offers = [offer(30 * CREDIT), offer(20 * CREDIT), offer(9, spot=True), offer(1, gpus=2), offer(1, model="A100")]
    assert hourly_price(needs, 2, offers) == 40 * CREDIT
    assert hourly_price(needs, 1, [offer(0)]) == 0
    assert hourly_price(needs, 1, []) is None


def test_credits_as_text() -> None:
    assert [credits_text(n) for n in (0, 1_500_000, 1, -2_000_000)] == ["0", "1.5", "0.000001", "-2"]
