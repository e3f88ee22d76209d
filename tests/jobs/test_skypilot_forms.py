"""Task files in the forms that SkyPilot's users write, posted unchanged to the real server.

What needs only a CPU runs to its end and says what it should; what this machine can't honour is refused by a sentence
that names the field, before anything is queued.
"""

from __future__ import annotations

import functools
import subprocess
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.peers import wait_until
from tests.peers.server import Server

pytestmark = pytest.mark.xdist_group("skypilot forms")

RUNS: dict[str, tuple[str, list[str]]] = {
    "a command alone": ("run: echo minimal\n", ["minimal"]),
    "a header of comments, and documents' marks": (
        "# how to launch it\n---\nname: with-comments\n\nrun: |\n  echo commented  # and here\n",
        ["commented"],
    ),
    "setup and run of several lines": (
        """\
        name: lines
        setup: |
          set -e
          mkdir -p build
          cat > build/answer.txt <<EOT
          forty-two
          EOT
        run: |
          # a script with its own branches
          if [ -f build/answer.txt ]; then
            cat build/answer.txt
          fi
          for i in 1 2; do
            echo "round $i"
          done
        """,
        ["forty-two", "round 1", "round 2"],
    ),
    "a folded run": ("run: >\n  echo one\n  two\n  three\n", ["one two three"]),
    "envs of all kinds": (
        """\
        envs:
          MODEL: tiny
          EPOCHS: 3
          RATE: 1e-4
          DEBUG: true
          EMPTY: ""
          QUOTED: 'it''s "quoted" $HOME'
        run: |
          echo "$MODEL $EPOCHS $RATE $DEBUG [$EMPTY]"
          echo "$QUOTED"
        """,
        ["tiny 3 1e-4 True []", 'it\'s "quoted" $HOME'],
    ),
    "secrets": ("secrets:\n  TOKEN: hush-hush\nrun: echo ${#TOKEN} letters\n", ["9 letters"]),
    "amounts as lower bounds": ("resources:\n  cpus: 1+\n  memory: 0.5+\nrun: echo bounded\n", ["bounded"]),
    "amounts with units": ("resources:\n  cpus: '1'\n  memory: 512MB\nrun: echo with units\n", ["with units"]),
    "any of several, where one fits": (
        """\
        resources:
          cpus: 1
          any_of:
            - accelerators: TPU-v99:4
            - accelerators: A100:8
            - memory: 0.5
        run: echo fits somewhere
        """,
        ["fits somewhere"],
    ),
    "in an order, where the second fits": (
        "resources:\n  ordered:\n    - accelerators: B200:8\n    - cpus: 1\nrun: echo the second\n",
        ["the second"],
    ),
    "the pool by name as infra": ("resources:\n  infra: local\n  cpus: 1\nrun: echo at home\n", ["at home"]),
    "a recovery strategy": (
        """\
        resources:
          cpus: 1
          job_recovery:
            strategy: FAILOVER
            max_restarts_on_errors: 1
        run: |
          if [ -e "$LATTICE_CHECKPOINT_DIR/tried" ]; then echo recovered; exit 0; fi
          touch "$LATTICE_CHECKPOINT_DIR/tried"
          exit 1
        """,
        ["recovered"],
    ),
    "SkyPilot's variables": (
        """\
        num_nodes: 1
        run: |
          echo "rank $SKYPILOT_NODE_RANK of $SKYPILOT_NUM_NODES"
          head_ip=$(echo "$SKYPILOT_NODE_IPS" | head -n1)
          [ -n "$head_ip" ] && echo "head is known"
          echo "$SKYPILOT_NUM_GPUS_PER_NODE GPUs"
          [ -n "$SKYPILOT_TASK_ID" ] && echo "task is known"
        """,
        ["rank 0 of 1", "head is known", "0 GPUs", "task is known"],
    ),
    "accelerators as a string": (
        "resources:\n  accelerators: H100:2\nrun: echo $CUDA_VISIBLE_DEVICES | tr , ' ' | wc -w\n",
        ["2"],
    ),
    "one accelerator": ("resources: {accelerators: h100}\nrun: echo $SKYPILOT_NUM_GPUS_PER_NODE\n", ["1"]),
    "accelerators as a map": ("resources:\n  accelerators: {H100: 4}\nrun: echo $SKYPILOT_NUM_GPUS_PER_NODE\n", ["4"]),
    "accelerators as a list": (
        "resources:\n  accelerators: ['A100:8', 'H100:1']\nrun: echo $SKYPILOT_NUM_GPUS_PER_NODE\n",
        ["1"],
    ),
    "nulls for what is not wanted": (
        "name:\nworkdir: null\nsetup: ~\nresources:\n  accelerators: null\n  use_spot: false\nrun: echo unset\n",
        ["unset"],
    ),
    "another language": (
        "run: |\n  python3 - <<'PY'\n  import json\n  print(json.dumps({'loss': 0.25}))\n  PY\n",
        ['{"loss": 0.25}'],
    ),
}

REFUSALS: dict[str, tuple[str, str, str]] = {  # description: file, field, words of the sentence
    "a container image": (
        "resources:\n  image_id: docker:python:3.12\nrun: python -V\n",
        "image",
        "runs no containers",
    ),
    "a machine image": (
        "resources:\n  image_id: ami-0123456789\nrun: 'true'\n",
        "resources.image_id",
        "no machine images",
    ),
    "images by region": (
        "resources:\n  image_id: {us-east-1: ami-0123}\nrun: 'true'\n",
        "resources.image_id",
        "no machine images",
    ),
    "a local file": ("file_mounts:\n  /data: ./data\nrun: 'true'\n", "file_mounts./data", "your own disk"),
    "a bucket": ("file_mounts:\n  /data: s3://bucket/data\nrun: 'true'\n", "file_mounts./data", "mounts no buckets"),
    "a described bucket": (
        "file_mounts:\n  /out:\n    name: results\n    store: s3\n    mode: MOUNT\nrun: 'true'\n",
        "file_mounts./out",
        "no buckets",
    ),
    "a local folder": ("workdir: .\nrun: python train.py\n", "workdir", "your own disk"),
    "a pipeline": ("name: pipe\n---\nname: a\nrun: 'true'\n---\nname: b\nrun: 'true'\n", "", "pipeline"),
    "a service": ("service:\n  readiness_probe: /health\n  replicas: 2\nrun: serve\n", "service", "runs to its end"),
    "more nodes than there are": ("num_nodes: 4\nrun: torchrun\n", "num_nodes", "1 node"),
    "another accelerator": (
        "resources:\n  accelerators: A100:8\nrun: nvidia-smi\n",
        "resources.accelerators",
        "has no A100",
    ),
    "too many accelerators": (
        "resources:\n  accelerators: H100:16\nrun: nvidia-smi\n",
        "resources.accelerators",
        "at most 8 H100",
    ),
    "another cloud": ("resources:\n  cloud: aws\nrun: 'true'\n", "resources.cloud", "aws"),
    "another infra": ("resources:\n  infra: gcp/us-central1\nrun: 'true'\n", "resources.infra", "gcp/us-central1"),
    "a region": ("resources:\n  region: us-east-1\nrun: 'true'\n", "resources.region", "no regions"),
    "an instance type": (
        "resources:\n  instance_type: p4d.24xlarge\nrun: 'true'\n",
        "resources.instance_type",
        "no instance types",
    ),
    "spot machines": ("resources:\n  use_spot: true\nrun: 'true'\n", "resources.use_spot", "spot"),
    "ports": ("resources:\n  ports: [8080, '9000-9010']\nrun: serve\n", "resources.ports", "opens no ports"),
    "a disk": ("resources:\n  disk_size: 500\nrun: 'true'\n", "resources.disk_size", "fixed size"),
    "autostop": ("resources:\n  autostop: 10\nrun: 'true'\n", "resources.autostop", "leave autostop out"),
    "volumes": ("volumes:\n  /mnt: my-volume\nrun: 'true'\n", "volumes./mnt", "no volumes"),
    "a setting of SkyPilot's": (
        "config:\n  kubernetes:\n    pod_config: {}\nrun: 'true'\n",
        "config.kubernetes",
        "SkyPilot",
    ),
    "an env without a value": ("envs:\n  HF_TOKEN:\nrun: 'true'\n", "envs.HF_TOKEN", "no value"),
    "a secret without a value": (
        "secrets:\n  HF_TOKEN: null\nrun: 'true'\n",
        "secrets.HF_TOKEN",
        "value of this secret",
    ),
    "a field that is misspelt": ("acelerators: H100\nrun: 'true'\n", "acelerators", "no such field"),
    "a resource that is misspelt": (
        "resources:\n  accelerator: H100\nrun: 'true'\n",
        "resources.accelerator",
        "no such field",
    ),
}


def text_of(task: str) -> str:
    """The file without this module's own indentation."""
    lines = task.splitlines(keepends=True)
    indent = len(lines[0]) - len(lines[0].lstrip()) if lines else 0
    return "".join(line[indent:] if line[:indent].isspace() else line for line in lines)


@pytest.fixture(scope="module")
def lab(shared_server: Server) -> httpx2.Client:
    return shared_server.with_key("compute:write")


def post(lab: httpx2.Client, task: str) -> httpx2.Response:
    return lab.post("/api/v1/jobs", content=text_of(task), headers={"Content-Type": "application/yaml"})


@pytest.fixture(scope="module")
def submitted(lab: httpx2.Client) -> dict[str, str]:
    """Every file that runs, posted at once: ids by its description."""
    answers = {form: post(lab, task) for form, (task, _) in RUNS.items()}
    assert {form: a.text for form, a in answers.items() if a.status_code != 201} == {}
    return {form: a.json()["id"] for form, a in answers.items()}


def output(lab: httpx2.Client, job_id: str) -> list[str]:
    """The lines that the job wrote, once it has succeeded."""

    def ended() -> dict[str, Any] | None:
        job: dict[str, Any] = lab.get(f"/api/v1/jobs/{job_id}").json()
        return job if job["finished_at"] else None

    job = wait_until(ended, what=f"{job_id} to end", seconds=90, every=0.1)
    assert job is not None
    log = lab.get(f"/api/v1/jobs/{job_id}/logs").text
    assert job["state"] == "succeeded", (job["reason"], log)
    return log.splitlines()


@pytest.mark.parametrize("form", RUNS)
def test_runs_unchanged(form: str, lab: httpx2.Client, submitted: dict[str, str]) -> None:
    said = output(lab, submitted[form])
    wanted = RUNS[form][1]
    assert [line for line in said if line in wanted] == wanted, said


@pytest.mark.parametrize("form", RUNS)
def test_comes_back_as_a_task(form: str, lab: httpx2.Client, submitted: dict[str, str]) -> None:
    task = lab.get(f"/api/v1/jobs/{submitted[form]}/task").text
    assert "hush-hush" not in task
    if form != "secrets":  # their values are given each time
        again = lab.post("/api/v1/jobs/preview", content=task, headers={"Content-Type": "application/yaml"})
        assert again.status_code == 200, again.text
        assert (again.json()["errors"], again.json()["task"]) == ([], task)


@pytest.mark.parametrize("form", REFUSALS)
def test_is_refused_by_name(form: str, lab: httpx2.Client) -> None:
    task, field, sentence = REFUSALS[form]
    answer = post(lab, task)
    assert answer.status_code == 422, answer.text
    errors = {error["field"]: error["message"] for error in answer.json()["errors"]}
    assert sentence in errors.get(field, ""), errors


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[str]:
    """The address of a Git repository with a branch `main` and a tag `v1`, served over plain HTTP."""
    tree, bare = tmp_path / "tree", tmp_path / "served" / "code.git"
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@lab.test"]

    def git(*arguments: str | Path) -> None:
        subprocess.run(["git", *who, "-C", tree, *arguments], check=True, capture_output=True)

    tree.mkdir()
    git("init", "--initial-branch", "main")
    for version in ("first", "second"):
        (tree / "train.sh").write_text(f"echo trained by the {version} version\n")
        git("add", ".")
        git("commit", "--message", version)
        if version == "first":
            git("tag", "v1")
    git("clone", "--bare", tree, bare)
    subprocess.run(["git", "-C", bare, "update-server-info"], check=True)
    yield from _served(tmp_path / "served")


def _served(folder: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/code.git"
        server.shutdown()


@pytest.mark.parametrize(("ref", "version"), [(None, "second"), ("main", "second"), ("v1", "first")])
def test_a_repository_is_the_working_folder(repository: str, lab: httpx2.Client, ref: str | None, version: str) -> None:
    lines = ["workdir:", "  url: ${REPO}", *([f"  ref: {ref}"] if ref else []), f"envs:\n  REPO: {repository}"]
    answer = post(lab, "\n".join([*lines, "run: sh train.sh\n"]))
    assert answer.status_code == 201, answer.text
    assert output(lab, answer.json()["id"])[-1] == f"trained by the {version} version"
