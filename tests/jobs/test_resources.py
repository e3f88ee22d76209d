import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.jobs.resources import Amount, parse_accelerators, parse_cpus, parse_memory


@pytest.mark.parametrize(
    ("written", "amount"),
    [(4, Amount(40)), ("4", Amount(40)), ("4+", Amount(40, True)), (0.5, Amount(5)), ("0.1+", Amount(1, True))],
)
def test_cpus(written: object, amount: Amount) -> None:
    assert parse_cpus(written) == amount


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        (16, Amount(160)), ("16+", Amount(160, True)), ("16GB", Amount(160)), ("16gib+", Amount(160, True)),
        ("512MB", Amount(5)), ("100MB", Amount(1)), ("1TB", Amount(10_240)), ("2Gi", Amount(20)),
    ],
)  # fmt: skip
def test_memory_is_in_gib(written: object, amount: Amount) -> None:
    assert parse_memory(written) == amount


@pytest.mark.parametrize("written", ["many", "", "4++", True, None, [], -1, "1e3", float("nan"), "4x"])
def test_no_number(written: object) -> None:
    with pytest.raises(ValueError, match="is not a number of CPUs"):
        parse_cpus(written)
    with pytest.raises(ValueError, match="is not a size in GiB"):
        parse_memory(written)


def test_steps_and_bounds() -> None:
    with pytest.raises(ValueError, match=r"steps of 0\.1"):
        parse_cpus(0.25)
    with pytest.raises(ValueError, match=r"from 0\.1 to 10,000 CPUs"):
        parse_cpus(10_001)
    with pytest.raises(ValueError, match="GiB"):
        parse_memory(0)


@pytest.mark.parametrize(
    ("written", "models"),
    [
        ("H100:8", ["H100:8"]), ("H100", ["H100:1"]), ({"H100": 8}, ["H100:8"]), ({"H100": 8.0}, ["H100:8"]),
        ({"H100:8": None, "A100-80GB": None}, ["H100:8", "A100-80GB:1"]), (["L4:1", "T4:2"], ["L4:1", "T4:2"]),
        ([{"H100": 2}], ["H100:2"]), ("{L4:1, 'T4'}", ["L4:1", "T4:1"]), ("tpu-v5litepod-16:1", ["tpu-v5litepod-16:1"]),
        (["L4", "L4:1"], ["L4:1"]),
    ],
)  # fmt: skip
def test_accelerators(written: object, models: list[str]) -> None:
    assert [str(a) for a in parse_accelerators(written)] == models


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("T4:0.5", "GPUs are given whole"), ("80GB+", "asks by memory size"), ("nvidia:80GB:2", "asks by memory size"),
        ("H100:x", "no whole number"), ("H100:0", "from 1 to"), ("", "is not an accelerator"),
        ({}, "Name an accelerator"),
        ({"H100:8": 8}, "is not an accelerator"), (8, "Write accelerators as"), ([8], "is not an accelerator"),
        ({"H100": True}, "no whole number"), ([f"A{n}" for n in range(65)], "at most 64"),
    ],
)  # fmt: skip
def test_accelerators_refused(written: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse_accelerators(written)


@given(st.one_of(st.text(), st.floats(), st.integers(), st.lists(st.text()), st.dictionaries(st.text(), st.integers())))
def test_nothing_but_a_sentence_comes_out_of_anything(written: object) -> None:
    for parse in (parse_cpus, parse_memory, parse_accelerators):
        sentence = "."
        try:
            parse(written)
        except ValueError as wrong:
            sentence = str(wrong)
        assert sentence.endswith(".")
