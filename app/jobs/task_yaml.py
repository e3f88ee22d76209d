"""SkyPilot task YAML: read a file unchanged into the values of a `JobSubmit`, and write a job as such a file.

Only plain data is read: no tags that make objects, no unbounded aliases, no deep nesting, no key twice. A field that
means something a job here has not is refused by name, never left out in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from app.jobs.plain_yaml import TAG, load_documents
from app.web.problems import FieldError, Invalid

FIELDS = frozenset({
    "name", "run", "setup", "envs", "secrets", "workdir", "file_mounts", "volumes", "config", "resources", "num_nodes",
    "pool", "image", "priority", "max_duration", "visibility", "team", "stop",
})  # fmt: skip
LATTICE = ("pool", "max_duration", "visibility", "team", "stop")  # what SkyPilot has no field for

REFUSED = {
    "service": "This describes a service that answers requests; a job runs to its end. Take it out to run this once.",
    "event_callback": "Nothing is called back from here: follow the job's events, or call from run itself.",
    "inputs": "This estimates the cost of moving data between clouds, which is not done here: take it out.",
    "outputs": "This estimates the cost of moving data between clouds, which is not done here: take it out.",
    "experimental": "This is SkyPilot's former place for config: take it out.",
    "api_server_access": "A job has no access to the server by itself: take it out, and give the job an API key.",
    "managed_secrets": "There is no store of secrets: give them with their values under secrets.",
    "volume_mounts": "This is SkyPilot's own record of volumes: take it out.",
    "file_mounts_mapping": "This is SkyPilot's own record of uploaded files: take it out.",
    "execution": "This belongs to a group of tasks; submit each task as a job of its own.",
    "primary_tasks": "This belongs to a group of tasks; submit each task as a job of its own.",
    "termination_delay": "This belongs to a group of tasks; submit each task as a job of its own.",
    "inter_connection": "This belongs to a group of tasks; submit each task as a job of its own.",
}
PIPELINE = "This file holds {count} documents, a pipeline. Submit each of its tasks as a job of its own."


def parse_task(data: bytes) -> dict[str, Any]:
    """The values of a `JobSubmit` (still to be validated by it). Raises BadRequest for what is not YAML, or Invalid."""
    document = _only_document(data)
    mistakes = [FieldError(str(key)[:100], _refusal(key)) for key in document if not _known(key, document[key])]
    if mistakes:
        raise Invalid(f"{mistakes[0].field}: {mistakes[0].message}", errors=mistakes[:50])
    values = {key: value for key, value in document.items() if value is not None and key != "_metadata"}
    return _with_own_fields(values, document.get("_metadata"))


def _known(key: object, value: object) -> bool:
    if key == "_metadata":
        return value is None or (isinstance(value, dict) and set(value) == {"lattice"})
    if key == "pool" and isinstance(value, dict):
        return False
    return key in FIELDS or (value is None and key in REFUSED)


def _refusal(key: object) -> str:
    if key == "pool":
        return "This describes a pool of SkyPilot workers. Here, pool is the name of the node pool to run on."
    if key == "_metadata":
        return "This is SkyPilot's own record: only _metadata.lattice is read here."
    return REFUSED.get(str(key), "A task has no such field.")


def _with_own_fields(values: dict[str, Any], metadata: object) -> dict[str, Any]:
    own = metadata.get("lattice") if isinstance(metadata, dict) else None
    if own is None:
        return values
    if not isinstance(own, dict):
        raise Invalid.field("_metadata.lattice", "Give a map.")
    for name in own:
        if name not in LATTICE:
            raise Invalid.field(f"_metadata.lattice.{str(name)[:100]}", "There is no such field.")
        if name in values and values[name] != own[name]:
            raise Invalid.field(str(name), f"Give {name} once: it stands under _metadata.lattice too.")
    return {**values, **own}


def _only_document(data: bytes) -> dict[Any, Any]:
    documents = load_documents(data)
    if len(documents) > 1:
        raise Invalid.field("", PIPELINE.format(count=len(documents)))
    return _task(documents)


def _task(documents: list[Any]) -> dict[Any, Any]:
    if not documents:
        raise Invalid.field("", "The file is empty.")
    (document,) = documents
    if not isinstance(document, dict):
        raise Invalid.field("", "A task is a map of fields, such as run: python train.py")
    if set(document) <= {"name", "execution"} and "name" in document:
        raise Invalid.field("run", "This is the header of a pipeline alone; a job needs run.")
    return document


def dump_task(spec: Mapping[str, Any]) -> str:
    """The stored form of a job as a task YAML: SkyPilot reads it, and submitted here it is the same job again.

    Secrets are names with null. What SkyPilot has no field for stands under `_metadata.lattice`, which it passes over.
    """
    task = {name: spec[name] for name in ORDER if name in spec}
    resources = dict(spec.get("resources", {}))
    if "image" in spec:
        resources["image_id"] = f"docker:{spec['image']}"
    if "priority" in spec:
        resources["priority"] = spec["priority"]
    if resources:
        task["resources"] = resources
    if own := {name: spec[name] for name in LATTICE if name in spec}:
        task["_metadata"] = {"lattice": own}
    ordered = {name: task[name] for name in ORDER if name in task}
    quick = _dump(ordered, _QuickDumper)
    return quick if ESCAPED not in quick else _dump(ordered, _Dumper)


def _dump(task: dict[str, Any], dumper: type[yaml.SafeDumper]) -> str:
    return yaml.dump(task, Dumper=dumper, sort_keys=False, allow_unicode=True, width=1000)


ORDER = (
    "name", "workdir", "num_nodes", "resources", "envs", "secrets", "file_mounts", "volumes", "config", "setup", "run",
    "_metadata",
)  # fmt: skip


ESCAPED = "\\U"  # how libyaml writes emoji and the like, and it makes no block of a script that holds one


class _Dumper(yaml.SafeDumper):
    """Scripts of several lines as blocks, so that they can be read and edited."""


class _QuickDumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """The same by libyaml, where PyYAML has it: a third of the time of a submit otherwise."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    odd = '"' if "\x85" in text else None  # a line break to YAML, and to nothing else
    return dumper.represent_scalar(TAG + "str", text, style=odd or ("|" if "\n" in text else None))


_Dumper.add_representer(str, _text)
_QuickDumper.add_representer(str, _text)
