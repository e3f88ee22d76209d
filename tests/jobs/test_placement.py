from __future__ import annotations

from app.jobs.placement import Condition, plan
from app.jobs.reasons import Live, ReasonCode
from tests.jobs.scenes import NOW, after, job, node, running, wants


def test_a_job_that_fits_starts_with_what_it_asked_for() -> None:
    made = plan([job("a", wants(gpus=2, cpus=4, memory=8))], [node("n1", gpus=8)], [], NOW)
    (share,) = made.placements["a"].shares
    assert (share.node, share.cpu_tenths, share.memory_tenths, share.gpu_indices) == ("n1", 40, 80, (0, 1))
    assert not made.reasons


def test_priority_then_age_then_id() -> None:
    queue = [job("c", at=1), job("b"), job("a"), job("urgent", at=9, priority=5)]
    made = plan(queue, [node("n1", cpus=2)], [], NOW)
    assert set(made.placements) == {"urgent", "a"}
    assert made.reasons["b"].code is ReasonCode.WAITING_FOR_CPUS


def test_a_gpu_in_use_is_not_given_again() -> None:
    made = plan([job("a", wants(gpus=2))], [node("n1", gpus=4)], [running("x", "n1", gpus=(0, 2))], NOW)
    assert made.placements["a"].shares[0].gpu_indices == (1, 3)


def test_models_are_matched_whatever_their_case() -> None:
    made = plan([job("a", wants(gpus=1, model="h100"))], [node("n1", gpus=1)], [], NOW)
    assert "a" in made.placements


def test_the_node_that_stays_fullest_is_taken() -> None:
    nodes = [node("n1", gpus=8), node("n2", gpus=8), node("n3", gpus=4)]
    made = plan([job("a", wants(gpus=2))], nodes, [running("x", "n2", gpus=(0, 1, 2, 3, 4))], NOW)
    assert made.placements["a"].shares[0].node == "n2"
    assert made.placements["a"].shares[0].gpu_indices == (5, 6)


def test_work_without_gpus_keeps_off_gpus_while_it_can() -> None:
    made = plan(
        [job("a", wants(cpus=2)), job("b", wants(cpus=2))], [node("gpu", gpus=8), node("plain", cpus=3)], [], NOW
    )
    assert made.placements["a"].shares[0].node == "plain"
    assert made.placements["b"].shares[0].node == "gpu"


def test_the_first_alternative_that_fits_is_chosen() -> None:
    either = (wants(gpus=2), wants(gpus=2, model="A100"))
    nodes = [node("h", gpus=2), node("a", gpus=2, model="A100")]
    made = plan([job("one", *either), job("two", *either)], nodes, [], NOW)
    assert [made.placements[name].alternative for name in ("one", "two")] == [0, 1]


def test_several_nodes_start_together_or_not_at_all() -> None:
    nodes = [node("n10", gpus=8), node("n2", gpus=8), node("n1", gpus=8)]
    made = plan([job("gang", wants(gpus=8), nodes=3)], nodes, [], NOW)
    assert [s.node for s in made.placements["gang"].shares] == ["n1", "n2", "n10"]
    busy = plan([job("gang", wants(gpus=8), nodes=3)], nodes, [running("x", "n2", gpus=(0,))], NOW)
    assert busy.reasons["gang"].args == {"gpus": 8, "model": "H100", "num_nodes": 3}


def test_the_known_end_of_what_runs_gives_a_start() -> None:
    made = plan([job("a", wants(gpus=8))], [node("n1", gpus=8)], [running("x", "n1", gpus=(0,), ends=600)], NOW)
    assert made.starts == {"a": after(600)}


def test_what_ends_before_the_reserved_start_may_go_first() -> None:
    queue = [
        job("large", wants(gpus=8)),
        job("short", wants(gpus=1), at=1, lasts=600),
        job("long", wants(gpus=1), at=2, lasts=601),
    ]
    made = plan(queue, [node("n1", gpus=8)], [running("x", "n1", gpus=(0,), ends=600)], NOW)
    assert set(made.placements) == {"short"}
    assert made.reasons["long"].code is ReasonCode.IN_LINE
    assert made.reasons["long"].args == {"before": after(600).timestamp()}
    hint = "with a max_duration of at most 10m it could start now"
    assert hint in made.reasons["long"].sentence(Live(now=NOW))
    assert hint not in made.reasons["long"].sentence(Live(now=after(590)))


def test_what_fits_beside_the_reserved_job_may_stay() -> None:
    queue = [job("large", wants(gpus=6)), job("beside", wants(gpus=2), at=1), job("more", wants(gpus=1), at=2)]
    made = plan(queue, [node("n1", gpus=8)], [running("x", "n1", gpus=(0, 1, 2), ends=600)], NOW)
    assert set(made.placements) == {"beside"}


def test_an_unknown_start_holds_what_is_free_and_no_more() -> None:
    queue = [job("large", wants(gpus=4)), job("gpu", wants(gpus=1), at=1, lasts=5), job("cpu", wants(), at=2)]
    made = plan(queue, [node("n1", gpus=8)], [running("x", "n1", gpus=(0, 1, 2, 3, 4))], NOW)
    assert set(made.placements) == {"cpu"}
    assert "large" not in made.starts


def test_only_one_large_job_of_a_kind_idles_what_it_waits_for() -> None:
    nodes = [node("n1", gpus=8), node("n2", gpus=8)]
    active = [running("x", "n1", gpus=(0, 1, 2, 3)), running("y", "n2", gpus=(0, 1, 2, 3))]
    queue = [job("one", wants(gpus=8)), job("two", wants(gpus=8), at=1), job("small", wants(gpus=2), at=2)]
    made = plan(queue, nodes, active, NOW)
    assert made.placements["small"].shares[0].node == "n2"


def test_a_nodes_overdue_attempt_is_expected_to_end_soon() -> None:
    made = plan([job("a", wants(gpus=1))], [node("n1", gpus=1)], [running("x", "n1", gpus=(0,), ends=-50)], NOW)
    assert made.starts == {"a": after(1)}


def test_nothing_starts_on_a_node_that_takes_no_work() -> None:
    for condition, code in (
        (Condition.DRAINED, ReasonCode.NODES_DRAINED),
        (Condition.UNREACHABLE, ReasonCode.NODES_UNREACHABLE),
        (Condition.DISK_LOW, ReasonCode.DISK_LOW),
    ):
        made = plan([job("a", wants(gpus=1))], [node("n1", gpus=1, condition=condition), node("n2")], [], NOW)
        assert made.reasons["a"].code is code


def test_a_job_that_no_node_could_hold_says_so_and_holds_up_nobody() -> None:
    made = plan([job("giant", wants(gpus=16)), job("small", at=1)], [node("n1", gpus=8)], [], NOW)
    assert "small" in made.placements
    assert "16 H100, 1 CPU and 1 GiB" in made.reasons["giant"].sentence()


def test_nodes_to_avoid_are_avoided() -> None:
    made = plan([job("a", avoid=frozenset({"n1"}))], [node("n1"), node("n2")], [], NOW)
    assert made.placements["a"].shares[0].node == "n2"
    alone = plan([job("a", avoid=frozenset({"n1"}))], [node("n1")], [], NOW)
    assert alone.reasons["a"].code is ReasonCode.NODES_AVOIDED


def test_memory_can_be_what_lacks() -> None:
    made = plan([job("a", wants(memory=256))], [node("n1")], [running("x", "n1")], NOW)
    assert made.reasons["a"].sentence() == "waiting for 256 GiB of memory in its pool"


def test_an_empty_pool_and_an_empty_queue() -> None:
    assert plan([], [], [], NOW).placements == {}
    assert plan([job("a")], [], [], NOW).reasons["a"].code is ReasonCode.NO_SUCH_NODE
