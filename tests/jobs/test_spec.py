from __future__ import annotations

from typing import Any

import jsonschema_rs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.engines.protocol import Signal
from app.jobs.spec import JobSubmit, Stop, default_name, from_spec, to_spec
from app.web.bodies import validated
from app.web.problems import Invalid
from tests.jobs.bodies import mistakes, submit

WHOLE: dict[str, Any] = {
    "name": "train", "pool": "lab", "setup": "pip install -r requirements.txt", "run": "python train.py",
    "envs": {"EPOCHS": "3"}, "resources": {"accelerators": "H100:8", "cpus": "4+", "memory": "16+"},
    "num_nodes": 1, "image": None, "priority": 0, "max_duration": "2h",
}  # fmt: skip


def test_the_designs_example() -> None:
    body = submit(**WHOLE)
    assert body.resources.accelerators == ("H100:8",)
    assert (body.resources.cpus, body.resources.memory, body.max_duration) == ("4+", "16+", 7200)
    assert to_spec(body) == {
        "name": "train", "pool": "lab", "setup": "pip install -r requirements.txt", "run": "python train.py",
        "envs": {"EPOCHS": "3"}, "resources": {"accelerators": "H100:8", "cpus": "4+", "memory": "16+"},
        "max_duration": "2h",
    }  # fmt: skip


def test_only_run_is_needed() -> None:
    body = submit()
    assert (body.name, body.num_nodes, body.priority, body.visibility) == ("python-train.py", 1, 0, "organization")
    with pytest.raises(Invalid, match="run: This field is needed"):
        validated(JobSubmit, {})


@pytest.mark.parametrize(
    ("fields", "path", "sentence"),
    [
        ({"run": "  "}, "run", "Say what to run"),
        ({"run": 5}, "run", "commands as text"),
        ({"run": "x" * 200_001}, "run", "200,001 characters"),
        ({"name": "ein Name"}, "name", "A name is made of"),
        ({"name": "x" * 101}, "name", "at most 100"),
        ({"nmae": "x"}, "nmae", "There is no such field."),
        ({"num_nodes": 0}, "num_nodes", "0 is not from 1 to 1,000."),
        ({"num_nodes": "two"}, "num_nodes", "whole number"),
        ({"num_nodes": True}, "num_nodes", "whole number"),
        ({"num_nodes": 10**30}, "num_nodes", "too large"),
        ({"priority": 1001}, "priority", "from -1,000 to 1,000"),
        ({"max_duration": "soon"}, "max_duration", "is not a duration"),
        ({"visibility": "public"}, "visibility", "private"),
        ({"envs": {"1A": "x"}}, "envs.1A", "does not begin with a digit"),
        ({"envs": {"A": None}}, "envs.A", "It has no value"),
        ({"envs": {"A": ["x"]}}, "envs.A", "text or a number"),
        ({"envs": {"LATTICE_JOB_ID": "x"}}, "envs.LATTICE_JOB_ID", "set by Lattice"),
        ({"envs": {"A": "x" * 100_001}}, "envs.A", "at most 100,000 bytes"),
        ({"envs": {f"A{n}": "x" for n in range(501)}}, "envs", "At most 500"),
        ({"envs": {f"A{n}": "x" * 90_000 for n in range(3)}}, "envs", "more than 200,000 bytes"),
        ({"envs": "A=1"}, "envs", "Give a map"),
        ({"secrets": {"TOKEN": None}}, "secrets.TOKEN", "Give the value of this secret"),
        ({"secrets": ["TOKEN"]}, "secrets", "Give a map"),
        ({"envs": {"A": "1"}, "secrets": {"A": "2"}}, "secrets.A", "give it once"),
        ({"workdir": "."}, "workdir", "on your own disk"),
        ({"workdir": {"url": "/srv/code"}}, "workdir.url", "not the address of a Git repository"),
        ({"workdir": {"url": "file:///etc"}}, "workdir.url", "not the address of a Git repository"),
        ({"workdir": {"url": "ext::sh -c date"}}, "workdir.url", "not the address"),
        ({"workdir": {"url": "--upload-pack=x@h:y"}}, "workdir.url", "not the address"),
        ({"workdir": {"url": "https://h/a.git", "ref": "--force"}}, "workdir.ref", "not the name of a branch"),
        ({"workdir": {"url": "https://$TOKEN@h/a.git"}}, "workdir.url", "names $TOKEN"),
        ({"file_mounts": {"/data": "~/data"}}, "file_mounts./data", "on your own disk"),
        ({"file_mounts": {"/data": {"source": ["s3://b", "./x"]}}}, "file_mounts./data.source", "on your own disk"),
        ({"file_mounts": {"/data": 3}}, "file_mounts./data", "address of a bucket"),
        ({"stop": {"signal": "HUP"}}, "stop.signal", "TERM, INT, USR1"),
        ({"stop": {"grace": "2d"}}, "stop.grace", "from 0s to 1d"),
        ({"resources": {"cpu": 4}}, "resources.cpu", "There is no such field."),
        ({"resources": {"cpus": "many"}}, "resources.cpus", "is not a number of CPUs"),
        ({"resources": {"cpus": 0.25}}, "resources.cpus", "steps of 0.1"),
        ({"resources": {"accelerators": "T4:0.5"}}, "resources.accelerators", "given whole"),
        ({"resources": {"any_of": [{"cpus": 1}, {"memory": "x"}]}}, "resources.any_of.1.memory", "size in GiB"),
        ({"resources": {"any_of": [{"cpus": 1}], "ordered": [{}]}}, "resources.ordered", "not both"),
        ({"resources": {"gpus": "H100", "accelerators": "H100"}}, "resources.gpus", "not both"),
        ({"resources": {"ports": [70_000]}}, "resources.ports", "is not a port"),
        ({"resources": {"ports": "8010-8000"}}, "resources.ports", "is not a port"),
        ({"resources": {"use_spot": "perhaps"}}, "resources.use_spot", "true or false"),
        ({"resources": {"job_recovery": "magic"}}, "resources.job_recovery.strategy", "no such strategy"),
        ({"resources": {"job_recovery": {"max_restarts_on_errors": -1}}},
         "resources.job_recovery.max_restarts_on_errors", "from 0 to 1,000"),
        ({"resources": {"priority": 5}, "priority": 6}, "priority", "not both"),
        ({"resources": {"image_id": "docker:a"}, "image": "b"}, "image", "not both"),
        ({"resources": []}, "resources", "Give a map"),
        ({"image": "--volume=/:/host"}, "image", "not the name of a container image"),
        ({"image": "dir:/etc"}, "image", "not the name of a container image"),
        ({"image": "docker-archive:/a.tar"}, "image", "not the name of a container image"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_its_path_and_a_sentence(fields: dict[str, Any], path: str, sentence: str) -> None:
    found = mistakes(**fields)
    assert sentence in found[path], found


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b"])
def test_what_no_database_takes_is_refused_wherever_it_stands(text: str) -> None:
    for fields, path in (
        ({"run": text}, "run"), ({"envs": {"A": text}}, "envs.A"), ({"config": {"a": [{"b": text}]}}, "config.a.0.b"),
        ({"envs": {text: "x"}}, "envs"), ({"file_mounts": {"/d": {text: 1}}}, "file_mounts./d"),
    ):  # fmt: skip
        assert path in mistakes(**fields)
    assert mistakes(config={"a": float("nan")}) == {"config.a": "Give a finite number."}


def test_what_nests_too_deep_or_is_too_large_is_refused() -> None:
    deep: Any = 1
    for _ in range(30):
        deep = [deep]
    assert "nests too deep" in mistakes(config={"a": deep})[""]
    assert "larger than 512,000 bytes" in mistakes(config={"a": ["x" * 60_000 for _ in range(10)]})[""]


@pytest.mark.parametrize(
    "image", ["b", "python:3.12", "host:5000/a/b_c:1.0-x", "nvcr.io/nvidia/pytorch:24.01-py3", f"a@sha256:{'0' * 64}"]
)
def test_an_image_is_named_as_registries_name_it(image: str) -> None:
    assert submit(image=image).image == image


@pytest.mark.parametrize(
    ("written", "image"),
    [
        ("docker:python:3.12", "python:3.12"), ("docker:ghcr.io/team/app", "ghcr.io/team/app"),
        ("docker:24", "docker:24"), ("docker:docker:24", "docker:24"),
    ],
)  # fmt: skip
def test_an_image_may_be_written_as_in_a_task(written: str, image: str) -> None:
    assert submit(image=written).image == image


def test_skypilots_places_for_priority_image_and_old_names() -> None:
    body = submit(
        resources={"priority": 7, "image_id": "docker:ubuntu:22.04", "gpus": "L4", "spot_recovery": "FAILOVER"}
    )
    assert (body.priority, body.image, body.resources.image_id) == (7, "ubuntu:22.04", None)
    assert body.resources.accelerators == ("L4:1",)
    assert body.job_recovery is not None and body.job_recovery.allows_another


def test_recovery_in_its_forms() -> None:
    body = submit(
        resources={"job_recovery": {"max_restarts_on_errors": 3, "recover_on_exit_codes": 33, "strategy": None}}
    )
    assert body.job_recovery is not None
    assert (body.job_recovery.max_restarts_on_errors, body.job_recovery.recover_on_exit_codes) == (3, (33,))
    off = submit(resources={"job_recovery": "none"}).job_recovery
    assert off is not None and not off.allows_another


def test_variables_become_text_as_skypilot_makes_them() -> None:
    assert submit(envs={"A": 3, "B": True, "C": 0.5, "D": ""}).envs == {"A": "3", "B": "True", "C": "0.5", "D": ""}


def test_variables_are_filled_in_where_skypilot_fills_them_in() -> None:
    body = submit(
        envs={"SIZE": "7", "REF": "v1"},
        workdir={"url": "https://h/model-${SIZE}b.git", "ref": "$REF"},
        file_mounts={"/m-$SIZE": "s3://bucket-${SIZE}"},
    )
    assert body.workdir is not None and (body.workdir.url, body.workdir.ref) == ("https://h/model-7b.git", "v1")
    assert body.file_mounts == {"/m-7": "s3://bucket-7"}


def test_how_it_is_stopped() -> None:
    assert submit(stop={"signal": "sigusr1", "grace": "10m"}).stop == Stop(signal=Signal.USR1, grace=600)
    assert [submit().stop_grace(most) for most in (900, 10)] == [30, 10]
    assert submit(stop={"grace": "1m"}).stop_grace(900) == 60


def test_secrets_are_neither_shown_nor_stored() -> None:
    body = submit(secrets={"TOKEN": "hunter2"})
    assert "hunter2" not in repr(body)
    assert to_spec(body)["secrets"] == {"TOKEN": None}
    assert b"hunter2" not in orjson.dumps(to_spec(body))
    assert body.secret_values() == {"TOKEN": "hunter2"}


def test_the_stored_form_comes_back_the_same_and_asks_for_its_secrets() -> None:
    body = submit(**{
        **WHOLE, "secrets": {"TOKEN": "x"}, "priority": -5, "visibility": "private", "stop": {"grace": 5},
        "resources": {"any_of": [{"accelerators": "H100:8"}, {"cpus": 2}], "job_recovery": "failover"},
        "workdir": {"url": "git@example.org:team/code.git"}, "num_nodes": 2, "image": "python:3.12",
    })  # fmt: skip
    spec = orjson.loads(orjson.dumps(to_spec(body)))
    assert from_spec(spec, {"TOKEN": "x"}) == body
    with pytest.raises(ValidationError, match="Give the value of this secret"):
        from_spec(spec, {})


@pytest.mark.parametrize(
    ("run", "name"),
    [
        ("python train.py --lr 3", "python-train.py"), ("# hello\n\ncd x\nbash ./go.sh", "bash-go.sh"),
        ("true", "true"),
        ("CUDA=1 torchrun /opt/main.py", "torchrun-main.py"), ("$X", "job"), ("é", "job"), ("x" * 90, "x" * 40),
    ],
)  # fmt: skip
def test_a_missing_name_is_made_of_the_command(run: str, name: str) -> None:
    assert default_name(run) == name


@given(st.text(min_size=1))
def test_every_default_name_is_a_name(run: str) -> None:
    assert submit(name=default_name(run)).name


SCHEMA = jsonschema_rs.validator_for(JobSubmit.model_json_schema())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(JobSubmit.model_fields)), JSON, max_size=5))
def test_any_body_is_a_job_or_is_refused_with_sentences(fields: dict[str, Any]) -> None:
    try:
        body = validated(JobSubmit, fields)
    except Invalid as refused:
        found = refused.errors
    else:
        assert isinstance(body, JobSubmit)
        assert from_spec(to_spec(body), body.secret_values()) == body
        assert SCHEMA.is_valid(fields)
        found = ()
    assert all(error.message for error in found)


@given(
    st.dictionaries(st.sampled_from(["accelerators", "cpus", "memory", "any_of", "ports", "labels", "image_id"]), JSON)
)
def test_any_resources_are_read_or_refused(resources: dict[str, Any]) -> None:
    try:
        body: JobSubmit | None = submit(resources=resources)
    except Invalid:
        body = None
    assert body is None or from_spec(to_spec(body), {}) == body
    assert body is None or SCHEMA.is_valid({"run": "true", "resources": resources})


@pytest.mark.parametrize(
    "fields", [WHOLE, {"resources": {"job_recovery": "failover"}}, {"envs": {"A": 1}, "stop": None}]
)
def test_the_schema_takes_what_the_model_takes(fields: dict[str, Any]) -> None:
    submit(**fields)
    assert SCHEMA.is_valid({"run": "true", **fields})
