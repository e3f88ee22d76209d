from __future__ import annotations

import re

import pytest
from starlette.testclient import TestClient

from app.jobs.form_fields import LABELS, from_form_fields, in_form, parse_variables
from app.jobs.spec import JobSubmit
from app.web.bodies import validated
from app.web.forms import Mistake
from app.web.problems import FieldError, Invalid


def test_the_form_and_json_are_the_same_job() -> None:
    fields = {
        "name": "train", "run": "python train.py", "num_nodes": "2", "priority": "-3", "max_duration": "2h",
        "envs_text": "EPOCHS=3\n# a comment\n\nURL=https://h/?a=b\n", "secrets_text": "TOKEN=x y ",
        "resources": {"accelerators": "H100:8, A100:8", "cpus": "4+", "use_spot": "off"}, "stop": {"grace": "60"},
    }  # fmt: skip
    written = {
        "name": "train", "run": "python train.py", "num_nodes": 2, "priority": -3, "max_duration": 7200,
        "envs": {"EPOCHS": "3", "URL": "https://h/?a=b"}, "secrets": {"TOKEN": "x y "},
        "resources": {"accelerators": ["H100:8", "A100:8"], "cpus": "4+", "use_spot": False}, "stop": {"grace": "1m"},
    }  # fmt: skip
    assert validated(JobSubmit, JobSubmit.from_form(fields)) == validated(JobSubmit, written)


def test_the_yaml_tab_replaces_the_fields_but_not_the_pool() -> None:
    fields = {"task_yaml": "run: date\n", "pool": "lab", "name": "ignored"}
    assert from_form_fields(fields) == {"run": "date", "pool": "lab"}
    assert from_form_fields({"task_yaml": "run: date\npool: own\n", "pool": "lab"})["pool"] == "own"


def test_lines_that_are_no_variables_are_counted() -> None:
    with pytest.raises(Invalid) as refused:
        parse_variables("A=1\nnothing\nA=2", "envs_text")
    assert [(e.field, e.message) for e in refused.value.errors] == [
        ("envs_text", "Line 2 is not NAME=VALUE."),
        ("envs_text", "Line 3 gives A a second time."),
    ]


def test_a_mistake_stands_where_its_value_was_typed() -> None:
    errors = [FieldError(field, "Wrong.") for field in ("team", "secrets.A", "resources.cpus", "workdir", "")]
    assert in_form(errors) == [
        Mistake("visibility", "Wrong.", "Seen by"), Mistake("secrets_text", "A: Wrong.", "Secret variables"),
        Mistake("resources.cpus", "Wrong.", "CPUs"), Mistake("workdir", "Wrong."), Mistake("", "Wrong."),
    ]  # fmt: skip


def test_the_names_in_mistakes_are_those_on_the_page(admin: TestClient) -> None:
    page = admin.get("/jobs/new").text
    for name, label in LABELS.items():
        assert re.search(rf'<label class="field-label" for="{re.escape(name)}">{label}[,<]', page), name
