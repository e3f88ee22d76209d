from __future__ import annotations

import textwrap
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from app.jobs.spec import JobSubmit, to_spec
from app.jobs.task_yaml import dump_task, parse_task
from app.web.bodies import validated
from app.web.problems import BadRequest, Invalid, Problem
from tests.jobs.bodies import submit


def read(text: str) -> JobSubmit:
    body = validated(JobSubmit, parse_task(textwrap.dedent(text).encode()))
    assert isinstance(body, JobSubmit)
    return body


def refused(text: str) -> dict[str, str]:
    with pytest.raises(Invalid) as found:
        read(text)
    return {error.field: error.message for error in found.value.errors}


def test_a_task_with_most_of_what_skypilot_knows() -> None:
    body = read("""
        # a comment
        name: finetune
        num_nodes: 2
        workdir:
          url: https://git.example.org/team/code.git
          ref: ${BRANCH}
        resources:
          accelerators: {A100-80GB:8, H100:8}
          cpus: 32+
          memory: 256+
          use_spot: false
          image_id: docker:python:3.12
          job_recovery:
            strategy: failover
            max_restarts_on_errors: 2
          priority: 10
          labels: {team: vision}
        envs:
          BRANCH: main
          EPOCHS: 3
          RESUME: yes
        secrets:
          TOKEN: abc
        file_mounts:
          /data: s3://bucket/data
        setup: |
          pip install -r requirements.txt
        run: |
          torchrun --nnodes $SKYPILOT_NUM_NODES main.py
    """)
    assert body.resources.accelerators == ("A100-80GB:8", "H100:8")
    assert (body.num_nodes, body.priority, body.image) == (2, 10, "python:3.12")
    assert body.envs == {"BRANCH": "main", "EPOCHS": "3", "RESUME": "True"}
    assert body.workdir is not None and body.workdir.ref == "main"
    assert body.run == "torchrun --nnodes $SKYPILOT_NUM_NODES main.py\n"


@pytest.mark.parametrize(
    ("resources", "accelerators"),
    [
        ("accelerators: H100:8", ("H100:8",)),
        ("accelerators: H100", ("H100:1",)),
        ("accelerators: {H100: 8}", ("H100:8",)),
        ("accelerators: {L4: 1, T4: 1}", ("L4:1", "T4:1")),
        ("accelerators: {L4:1, T4:1}", ("L4:1", "T4:1")),
        ("accelerators: [L4:1, 'T4:4']", ("L4:1", "T4:4")),
        ("gpus: L4:2", ("L4:2",)),
    ],
)
def test_accelerators_in_every_form(resources: str, accelerators: tuple[str, ...]) -> None:
    assert read(f"run: date\nresources:\n  {resources}\n").resources.accelerators == accelerators


def test_choices_in_order() -> None:
    body = read("""
        run: date
        resources:
          cpus: 2
          ordered:
            - {accelerators: H100:8, cpus: 16+}
            - accelerators: A100:8
    """)
    paths = [(path, choice.accelerators, choice.cpus) for path, choice in body.resources.choices()]
    assert paths == [("resources.ordered.0", ("H100:8",), "16+"), ("resources.ordered.1", ("A100:8",), "2")]


def test_empty_fields_are_left_out() -> None:
    body = read("name:\nsetup:\nenvs:\nservice:\nresources:\n  image_id:\nrun: date\n---\n")
    assert body.name == "date"


def test_merge_keys_and_aliases_are_read() -> None:
    body = read("""
        envs: &shared {A: 1, B: 2}
        config: {first: {<<: *shared, B: 3}, second: *shared}
        run: date
    """)
    assert body.config == {"first": {"A": 1, "B": 3}, "second": {"A": 1, "B": 2}}


@pytest.mark.parametrize(
    ("text", "field", "sentence"),
    [
        ("run: date\nservice: {replicas: 2}", "service", "answers requests"),
        ("run: date\npool: {workers: 2}", "pool", "pool of SkyPilot workers"),
        ("run: date\nevent_callback: echo", "event_callback", "Nothing is called back"),
        ("run: date\ninputs: {s3://b: 1}", "inputs", "take it out"),
        ("run: date\nmanaged_secrets: [A]", "managed_secrets", "under secrets"),
        ("run: date\nexperimental: {config_overrides: {}}", "experimental", "former place for config"),
        ("run: date\n_metadata: {git_commit: a}", "_metadata", "only _metadata.lattice"),
        ("run: date\nworkdri: .", "workdri", "no such field"),
        ("run: date\nworkdir: .", "workdir", "on your own disk"),
        ("run: date\nworkdir: ~/code", "workdir", "workdir: {url:"),
        ("run: date\nfile_mounts: {/a: ./b}", "file_mounts./a", "on your own disk"),
        ("run: date\nenvs: {TOKEN: }", "envs.TOKEN", "It has no value"),
        ("run: date\nsecrets: {TOKEN: }", "secrets.TOKEN", "Give the value"),
        ("run: date\nsecrets: ['secrets:TOKEN']", "secrets", "map from names to values"),
        ("run: date\nresources: {cpu: 4}", "resources.cpu", "no such field"),
        ("name: a\n---\nrun: date\n---\nrun: date", "", "3 documents, a pipeline"),
        ("run: date\n---\nrun: date", "", "Submit each of its tasks"),
        ("name: a", "run", "header of a pipeline"),
        ("name: a\nexecution: parallel", "run", "header of a pipeline"),
        ("", "", "empty"), ("# only a comment", "", "empty"), ("- a", "", "is a map"), ("text", "", "is a map"),
        ("run: a\nrun: b", "run", "twice, on line 1 and on line 2"),
        ("run: a\nenvs:\n  A: 1\n  A: 2", "envs.A", "on line 3 and on line 4"),
        ("run: !!python/object/apply:os.system [date]", "run", "only plain values"),
        ("run: !!binary aGk=", "run", "only plain values"),
        ("run: date\nconfig: &a [*a]", "config.0", "contains itself"),
        ("run: date\nconfig: {? [a] : b}", "config", "not plain text"),
        ("run: date\n_metadata: {lattice: {cpus: 2}}", "_metadata.lattice.cpus", "no such field"),
        ("run: date\npool: a\n_metadata: {lattice: {pool: b}}", "pool", "Give pool once"),
    ],
)  # fmt: skip
def test_refused_by_a_sentence_that_names_the_field(text: str, field: str, sentence: str) -> None:
    found = refused(text)
    assert sentence in found[field], found


@pytest.mark.parametrize(
    "data", [b"run: [", b"\xff\xfe", b"a: b: c", b"run: \x00", b"run: *nothing", b"\t- a", b"%YAML 9"]
)
def test_what_is_not_yaml_is_a_bad_request(data: bytes) -> None:
    with pytest.raises(BadRequest):
        parse_task(data)


def test_bombs_are_refused_before_they_go_off() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    for text, sentence in (
        (bomb, "aliases make this too large"), ("a: " + "[" * 200_000, "levels deep"), ("{" * 5000, "levels deep"),
        ("a: [" + "1," * 60_000 + "]", "too many parts"), ("run: " + "x" * 600_000, "larger than"),
        ("a: &a {}\n" + "".join(f"b{n}: &b{n} [*{'a' if n == 0 else f'b{n - 1}'}]\n" for n in range(60)), "too large"),
    ):  # fmt: skip
        with pytest.raises(Invalid, match=sentence):
            parse_task(text.encode())
    with pytest.raises(BadRequest):
        parse_task(b"run: " + b"9" * 5000)


def test_a_date_stays_what_was_written() -> None:
    assert read("run: date\nenvs: {DAY: 2024-05-01}").envs == {"DAY": "2024-05-01"}


FULL: dict[str, Any] = {
    "name": "train", "pool": "lab", "setup": "pip install torch", "envs": {"A": "1: x", "B": "", "C": "yes"},
    "secrets": {"TOKEN": "hunter2"}, "resources": {"accelerators": "H100:8", "cpus": "4+", "ports": [8080]},
    "num_nodes": 2, "image": "python:3.12", "priority": -7, "max_duration": "1d12h", "visibility": "private",
    "stop": {"signal": "USR1", "grace": "5m"}, "run": "set -e\npython train.py\n",
}  # fmt: skip


def test_shown_copied_and_submitted_again_it_is_the_same_job() -> None:
    body = submit(**FULL)
    text = dump_task(to_spec(body))
    assert "hunter2" not in text
    assert "run: |\n  set -e\n  python train.py\n" in text
    again = parse_task(text.encode())
    assert again["secrets"] == {"TOKEN": None}
    assert validated(JobSubmit, {**again, "secrets": FULL["secrets"]}) == body


def test_a_script_stays_a_block_whatever_letters_it_has() -> None:
    text = dump_task(to_spec(submit(run="echo é 日本 🚀\necho done\n")))
    assert "run: |\n  echo é 日本 🚀\n  echo done\n" in text


def test_what_is_lattices_own_stands_where_skypilot_passes_over_it() -> None:
    task = yaml.safe_load(dump_task(to_spec(submit(**FULL))))
    assert set(task) == {"name", "num_nodes", "resources", "envs", "secrets", "setup", "run", "_metadata"}
    assert (task["resources"]["priority"], task["resources"]["image_id"]) == (-7, "docker:python:3.12")
    assert task["_metadata"]["lattice"] == {
        "pool": "lab", "max_duration": "1d12h", "visibility": "private", "stop": {"signal": "USR1", "grace": "5m"},
    }  # fmt: skip


def test_lattices_own_fields_may_also_stand_beside_the_others() -> None:
    body = read("run: date\npool: lab\nmax_duration: 2h\npriority: 3\nstop: {grace: 5}\n")
    assert (body.pool, body.max_duration, body.priority, body.stop.grace) == ("lab", 7200, 3, 5)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_any_script_and_value_survives_being_shown(text: str) -> None:
    body = submit(run="true #" + text, envs={"A": text})
    assert validated(JobSubmit, parse_task(dump_task(to_spec(body)).encode())) == body


@given(st.one_of(st.text().map(str.encode), st.binary()))
def test_any_bytes_are_a_task_or_a_problem(data: bytes) -> None:
    found: object
    try:
        found = parse_task(data)
    except Problem as problem:
        found = problem.detail
    assert isinstance(found, dict | str)
