"""A task as the fields of the new-job form."""

from __future__ import annotations

import re

from starlette.testclient import TestClient

from app.jobs.answers import PoolChoice, TeamChoice
from app.jobs.form_fields import from_form_fields
from app.jobs.spec import JobSubmit
from app.jobs.task_fields import TaskFields, choices_of, to_form_fields
from app.jobs.task_yaml import parse_task
from app.web.bodies import validated
from app.web.forms import FormFields

CHOICES = choices_of([PoolChoice("pool_1", "lab")], [TeamChoice("team_1", "Vision")])
SHOWN = """\
name: train
num_nodes: 2
resources: {accelerators: {H100: 8}, cpus: 4+, memory: 16, image_id: "docker:python:3.12", priority: -3}
envs: {EPOCHS: 3, EMPTY: "", URL: https://h/?a=b}
secrets: {TOKEN: xyzzy}
setup: pip install .
run: |
  python train.py
  echo done
pool: lab
visibility: team
team: Vision
max_duration: 2h
stop: {signal: SIGINT, grace: 60}
"""
APART = """\
name: [a, b]
resources: {any_of: [{cpus: 1}, {cpus: 2}], use_spot: true, image_id: ami-1, memory: 1}
envs: {ONE: "1", TWO: "a\\nb", NONE: null}
file_mounts: {/data: s3://bucket}
pool: elsewhere
team: Strangers
stop: {signal: HUP}
run: "true"
"""


def fields_of(task: str) -> TaskFields:
    return to_form_fields(parse_task(task.encode()), CHOICES)


def test_a_task_and_the_fields_made_of_it_are_the_same_job() -> None:
    found = fields_of(SHOWN)
    assert found.left == [] and found.fields["secrets_text"] == "TOKEN"
    typed = FormFields({name: [text] for name, text in found.fields.items()})
    typed.raw["secrets_text"] = ["TOKEN=xyzzy"]
    written = {**parse_task(SHOWN.encode()), "team": "team_1"}
    assert validated(JobSubmit, from_form_fields(typed.nested())) == validated(JobSubmit, written)


def test_what_the_form_has_no_field_for_is_named() -> None:
    found = fields_of(APART)
    assert found.fields == {"resources.memory": "1", "envs_text": "ONE=1", "run": "true"}
    assert found.left == [
        "name", "resources.any_of", "resources.use_spot", "resources.image_id", "envs.TWO", "envs.NONE", "file_mounts",
        "pool", "team", "stop.signal",
    ]  # fmt: skip


def test_a_page_is_filled_with_a_task_but_not_with_its_secrets(admin: TestClient) -> None:
    page = admin.post("/jobs/new", data={"yaml": SHOWN}).text
    assert re.search(r'name="name"[^>]*value="train"', page) and "EPOCHS=3" in page and "xyzzy" not in page
    page = admin.post("/jobs/new", data={"yaml": APART}).text
    assert "The form can&#39;t show name, resources.any_of" in page


def test_a_copied_job_fills_both_tabs(admin: TestClient) -> None:
    made = admin.post("/jobs", data={"run": "echo hello", "name": "copied", "resources.cpus": "0.1"})
    page = admin.get(f"/jobs/new?from={made.headers['Location'].rpartition('/')[2]}").text
    assert re.search(r'name="name"[^>]*value="copied"', page) and "name: copied" in page
    assert re.search(r'name="resources.cpus"[^>]*value="0.1"', page)


def test_what_is_no_task_leaves_the_form_as_it_is(admin: TestClient) -> None:
    for text, sentence in (("run: [", "not YAML that can be read"), ("run: a\nservice: {}", "answers requests")):
        page = admin.post("/jobs/new", data={"yaml": text, "name": "as-typed"})
        assert page.status_code in {400, 422} and sentence in page.text and 'value="as-typed"' in page.text
    assert admin.post("/jobs/new", data={"name": "x"}).status_code == 422
