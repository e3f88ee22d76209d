from __future__ import annotations

from datetime import UTC, datetime, timedelta

from app.engines.protocol import Offer, Share
from app.jobs.accounting import Taken, attempt_cost, credits_text, gpu_hours, hourly_price, taken
from app.jobs.needs import Alternative

NOW = datetime(2026, 1, 1, tzinfo=UTC)
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


def test_an_attempt_is_rounded_once() -> None:
    assert attempt_cost(3 * CREDIT, NOW, NOW + timedelta(minutes=20)) == CREDIT
    assert attempt_cost(1, NOW, NOW + timedelta(minutes=30)) == 1
    assert attempt_cost(1, NOW, NOW + timedelta(minutes=29)) == 0
    assert attempt_cost(CREDIT, None, NOW) == 0
    assert attempt_cost(CREDIT, NOW, NOW - timedelta(seconds=1)) == 0


def test_gpu_hours() -> None:
    assert gpu_hours(8, NOW, NOW + timedelta(minutes=30)) == 4.0
    assert gpu_hours(8, None, NOW) == 0.0


def test_credits_as_text() -> None:
    assert [credits_text(n) for n in (0, 1_500_000, 1, -2_000_000)] == ["0", "1.5", "0.000001", "-2"]
